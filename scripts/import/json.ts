import { memberTwice } from '@usage/lib/json/memberTwice.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import type { DraftEvent } from './ids.ts';
import { Refusal, type RefusedRow } from './refusals.ts';
import { textOf } from './text.ts';

/** A JSON file is read whole; longer ones should be NDJSON. */
const jsonBytesMax = 512 * 1024 * 1024;
const lineCharsMax = 1024 * 1024;

/** A CloudEvent a line. */
export async function* eventsOfNdjson(
  path: string,
  encoding: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent | RefusedRow> {
  let line = 0;
  for await (const text of linesOf(path, encoding, onBytes)) {
    line++;
    if (text.trim() !== '') yield draftOfText(text, line);
  }
}

/** An array of CloudEvents, or one of them. */
export async function* eventsOfJsonArray(
  path: string,
  encoding: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent | RefusedRow> {
  if (Bun.file(path).size > jsonBytesMax)
    throw new Refusal(`${path} is longer than ${jsonBytesMax} bytes: turn it into NDJSON, an event a line.`);
  const content = parseWhole(path, (await Array.fromAsync(textOf(path, encoding, onBytes))).join(''));
  const events = Array.isArray(content) ? content : [content];
  for (const [index, event] of events.entries()) yield draftOf(event, index + 1);
}

async function* linesOf(path: string, encoding: string, onBytes: (bytes: number) => void) {
  let rest = '';
  let line = 0;
  for await (const text of textOf(path, encoding, onBytes)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    line += lines.length;
    if (rest.length > lineCharsMax)
      throw new Refusal(
        `${path}, line ${line + 1}: longer than ${lineCharsMax} characters: NDJSON has an event a line.`,
      );
    yield* lines;
  }
  yield rest;
}

function draftOfText(text: string, line: number): DraftEvent | RefusedRow {
  try {
    const event = parseJson(text);
    const twice = memberTwice(text);
    return twice === undefined ? draftOf(event, line) : { line, reason: givenTwice(twice) };
  } catch (error) {
    return { line, reason: `is not JSON: ${(error as Error).message}` };
  }
}

function parseWhole(path: string, text: string): unknown {
  let content: unknown;
  try {
    content = parseJson(text);
  } catch (error) {
    throw new Refusal(
      `${path} is not JSON: ${(error as Error).message}. With an event a line its name must end in .ndjson or .jsonl.`,
    );
  }
  const twice = memberTwice(text);
  if (twice !== undefined) throw new Refusal(`${path}: an object ${givenTwice(twice)}`);
  return content;
}

function givenTwice(name: string): string {
  return `has two members named ${JSON.stringify(name.slice(0, 64))}: which one is meant?`;
}

function draftOf(event: unknown, line: number): DraftEvent | RefusedRow {
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    return { line, reason: 'expected a CloudEvent, an object' };
  const { data, ...attributes } = event as Record<string, unknown>;
  return { line, attributes, ...(data === undefined ? {} : { data: JSON.stringify(data) }) };
}
