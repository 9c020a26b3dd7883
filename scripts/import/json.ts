import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseJson } from '@usage/lib/json/parse.ts';
import type { DraftEvent } from './ids.ts';

/** A JSON file is read whole; longer ones should be NDJSON. */
const jsonBytesMax = 512 * 1024 * 1024;

/** A CloudEvent a line. */
export async function* eventsOfNdjson(
  path: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent> {
  const file = createReadStream(path);
  file.on('data', (chunk) => onBytes(chunk.length));
  let line = 0;
  for await (const text of createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() !== '') yield draft(parse(text, `${path}, line ${line}`), `${path}, line ${line}`);
  }
}

/** An array of CloudEvents, or one of them. */
export async function* eventsOfJsonArray(
  path: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<DraftEvent> {
  const file = Bun.file(path);
  if (file.size > jsonBytesMax)
    throw new Error(`${path} is longer than ${jsonBytesMax} bytes: turn it into NDJSON, an event a line.`);
  const content = parse(await file.text(), path);
  onBytes(file.size);
  const events = Array.isArray(content) ? content : [content];
  for (const [index, event] of events.entries()) yield draft(event, `${path}, event ${index}`);
}

function parse(text: string, at: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new Error(`${at}: ${(error as Error).message}`);
  }
}

function draft(event: unknown, origin: string): DraftEvent {
  if (typeof event !== 'object' || event === null)
    throw new Error(`${origin}: expected a CloudEvent, an object`);
  const { data, ...attributes } = event as Record<string, unknown>;
  return { origin, ...attributes, ...(data === undefined ? {} : { data: JSON.stringify(data) }) };
}
