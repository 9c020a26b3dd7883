import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { type Signal, signals } from './proto.ts';

/** Which records become events, and what of them. */
export interface Rule {
  signal: Signal;
  /** Source to the text that it must have, or `*` for any. All of them have to fit. */
  where: [source: string, value: string][];
  type: string;
  /** The first one that a record has; `=text` is the text itself. */
  subject: string[];
  /** Member of data to its source. */
  data: [member: string, source: string][];
}

/** A mapping that can't be used: every issue, one a line. */
export class MappingError extends Error {
  override name = 'MappingError';
}

/** Without a file: spans of language models, by OpenTelemetry's semantic conventions. */
const ofLanguageModels: Rule[] = [
  {
    signal: 'traces',
    where: [['gen_ai.usage.input_tokens', '*']],
    type: 'gen_ai',
    subject: ['usage.subject', 'user.id', 'enduser.id', 'resource:service.name'],
    data: [
      ['input_tokens', 'gen_ai.usage.input_tokens'],
      ['output_tokens', 'gen_ai.usage.output_tokens'],
      ['model', 'gen_ai.response.model'],
      ['request_model', 'gen_ai.request.model'],
      ['operation', 'gen_ai.operation.name'],
      ['provider', 'gen_ai.provider.name'],
      ['duration_ms', 'record:duration_ms'],
    ],
  },
];

/** The rules of a YAML file; those of language models where there is none. Throws a MappingError. */
export async function readMapping(path: string | undefined): Promise<Rule[]> {
  if (path === undefined) return ofLanguageModels;
  let content: unknown;
  try {
    content = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new MappingError(`OTLP_MAPPING_FILE ${path}: ${(error as Error).message}`);
  }
  const list = (content as { rules?: unknown } | null)?.rules;
  if (!Array.isArray(list)) throw new MappingError(`OTLP_MAPPING_FILE ${path}: expected "rules:" and a list`);
  const issues: string[] = [];
  const rules = list.map((entry, index) => readRule(entry, `rule ${index + 1}`, issues));
  if (issues.length > 0)
    throw new MappingError(issues.map((issue) => `OTLP_MAPPING_FILE ${path}: ${issue}`).join('\n'));
  return rules;
}

const known = ['signal', 'where', 'type', 'subject', 'data'];

function readRule(entry: unknown, name: string, issues: string[]): Rule {
  const rule = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  for (const field of Object.keys(rule))
    if (!known.includes(field)) issues.push(`${name}: ${field} is not known; there are ${known.join(', ')}`);
  const signal = signals.find((one) => one === rule.signal);
  if (!signal) issues.push(`${name}: signal must be one of ${signals.join(', ')}`);
  if (typeof rule.type !== 'string' || rule.type === '') issues.push(`${name}: type must be a text`);
  const subject = Array.isArray(rule.subject) ? rule.subject : [rule.subject];
  if (!subject.every((source) => typeof source === 'string' && source !== ''))
    issues.push(`${name}: subject must be a source, or a list of sources`);
  return {
    signal: signal ?? 'logs',
    where: pairsOf(rule.where ?? {}, `${name}: where`, issues),
    type: String(rule.type),
    subject: subject as string[],
    data: pairsOf(rule.data, `${name}: data`, issues),
  };
}

function pairsOf(value: unknown, name: string, issues: string[]): [string, string][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).map(([key, text]) => [key, String(text)]);
  issues.push(`${name} must be a map`);
  return [];
}
