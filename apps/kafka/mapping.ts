import { readFile } from 'node:fs/promises';
import { compilePath } from '@usage/lib/meter/path.ts';
import { StartError } from '@usage/lib/service/startError.ts';
import { parse } from 'yaml';

/** A message, as far as a mapping looks at it. */
export interface MappedMessage {
  /** Parsed JSON; long numbers are JSON.rawJSON. */
  value: unknown;
  key: string | undefined;
  header(name: string): string | undefined;
}

/** undefined: the message hasn't got it. */
export type Source = (message: MappedMessage) => unknown;

/** How the messages of a topic become events. */
export type TopicRule = 'cloudevents' | MappedRule;

export interface MappedRule {
  type: Source;
  /** The first one that a message has. */
  subject: Source[];
  /** undefined: made of topic, partition and offset. */
  id: Source | undefined;
  source: Source | undefined;
  /** undefined: the message's timestamp. */
  time: Source | undefined;
  /** Member of data to its source; undefined: the whole message. */
  data: [member: string, source: Source][] | undefined;
}

const topicsMax = 200;
const known = ['type', 'subject', 'id', 'source', 'time', 'data'];
const expected = 'expected $.path, =text, key, or header:NAME';

/** Topic to rule, of the YAML file. Throws a StartError that names every issue. */
export async function readMapping(path: string | undefined): Promise<Map<string, TopicRule>> {
  if (path === undefined)
    throw new StartError(
      'KAFKA_MAPPING_FILE is not set: which topics hold usage? docs/kafka.md has an example.',
    );
  let content: unknown;
  try {
    content = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new StartError(`KAFKA_MAPPING_FILE ${path}: ${(error as Error).message}`);
  }
  const { rules, issues } = rulesOf(content);
  if (issues.length > 0)
    throw new StartError(issues.map((issue) => `KAFKA_MAPPING_FILE ${path}: ${issue}`).join('\n'));
  return rules;
}

/** For tests and readMapping: the rules of a parsed file, and everything that is wrong with it. */
export function rulesOf(content: unknown): { rules: Map<string, TopicRule>; issues: string[] } {
  const topics = isMap(content) ? content.topics : undefined;
  const rules = new Map<string, TopicRule>();
  if (!isMap(topics) || Object.keys(topics).length === 0)
    return { rules, issues: ['expected "topics:" and a map of topics to how their messages are read'] };
  const issues: string[] = [];
  if (isMap(content))
    for (const field of Object.keys(content)) if (field !== 'topics') issues.push(`${field} is not known`);
  if (Object.keys(topics).length > topicsMax) issues.push(`more than ${topicsMax} topics`);
  for (const [topic, entry] of Object.entries(topics)) rules.set(topic, ruleOf(entry, topic, issues));
  return { rules, issues };
}

function ruleOf(entry: unknown, topic: string, issues: string[]): TopicRule {
  if (entry === 'cloudevents') return entry;
  if (!isMap(entry)) {
    issues.push(`${topic}: expected cloudevents, or a map with type, subject and data`);
    return 'cloudevents';
  }
  for (const field of Object.keys(entry))
    if (!known.includes(field)) issues.push(`${topic}: ${field} is not known; there are ${known.join(', ')}`);
  const source = (value: unknown, field: string) => sourceOf(value, `${topic}: ${field}`, issues);
  const optional = (field: string) => (entry[field] === undefined ? undefined : source(entry[field], field));
  const subjects = Array.isArray(entry.subject) ? entry.subject : [entry.subject];
  if (entry.data !== undefined && !isMap(entry.data)) issues.push(`${topic}: data must be a map`);
  return {
    type: source(entry.type, 'type'),
    subject: subjects.map((one) => source(one, 'subject')),
    id: optional('id'),
    source: optional('source'),
    time: optional('time'),
    data: isMap(entry.data)
      ? Object.entries(entry.data).map(([member, from]) => [member, source(from, `data.${member}`)])
      : undefined,
  };
}

function sourceOf(text: unknown, name: string, issues: string[]): Source {
  if (typeof text !== 'string' || text === '') issues.push(`${name}: ${expected}`);
  else if (text.startsWith('=') && text.length > 1) return () => text.slice(1);
  else if (text === 'key') return ({ key }) => key;
  else if (text.startsWith('header:')) return ({ header }) => header(text.slice('header:'.length));
  else if (!text.startsWith('$'))
    issues.push(`${name}: ${JSON.stringify(text)} is not understood: ${expected}`);
  else {
    try {
      const lookup = compilePath(text);
      return ({ value }) => lookup(value);
    } catch (error) {
      issues.push(`${name}: ${text} ${(error as Error).message}`);
    }
  }
  return () => undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
