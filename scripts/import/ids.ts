import { issuesOf } from '@usage/lib/event/event.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { isRefused, quoted, type RefusedRow } from './refusals.ts';

/** An event of a file, before it has an id. */
export interface DraftEvent {
  /** Its first line in the file, or its place in a JSON array, from 1. */
  line: number;
  attributes: Record<string, unknown>;
  /** JSON text, kept as it came. */
  data?: string;
  /** What the id is made of, where it has none and these aren't the attributes and the data. */
  identity?: string;
}

export interface ReadyEvent {
  line: number;
  id: string;
  source: string;
  type: string;
  time: string | undefined;
  data: string | undefined;
  /** The CloudEvent as JSON text. */
  json: string;
}

export interface IdNotes {
  /** Events that stand in the file again under the same id, with the same content: sent once. */
  repeated: number;
}

/**
 * Gives every event that has no id one that is made of its content (not of the source, which is the file's name by default:
 * a copy of the file makes the same ids), and of how many events of the same content came before it in the file: rows that
 * are alike stay apart, and a second run makes the same ids. An id that is given twice
 * stands for one event; for two different ones it is refused. What isn't a valid CloudEvent is refused too. Takes about 60
 * bytes of memory for each event.
 */
export async function* withIds(
  source: string,
  events: AsyncIterable<DraftEvent | RefusedRow>,
  notes: IdNotes,
): AsyncGenerator<ReadyEvent | RefusedRow> {
  const copies = new Map<bigint, number>();
  const given = new Map<bigint, bigint>();
  for await (const draft of events) {
    if (isRefused(draft)) {
      yield draft;
      continue;
    }
    const { line, data } = draft;
    const attributes: Record<string, unknown> = { specversion: '1.0', source, ...draft.attributes };
    const content = JSON.stringify([draft.attributes, draft.identity ?? data]);
    if (attributes.id === undefined) attributes.id = idOf(draft.identity ?? content, copies);
    else {
      const key = Bun.hash(JSON.stringify([attributes.source, attributes.id])) as bigint;
      const earlier = given.get(key);
      const hash = Bun.hash(content) as bigint;
      if (earlier === hash) {
        notes.repeated++;
        continue;
      }
      if (earlier !== undefined) {
        yield { line, reason: `the id ${quoted(String(attributes.id))} stands for two different events` };
        continue;
      }
      given.set(key, hash);
    }
    const head = JSON.stringify(attributes);
    const json = data === undefined ? head : `${head.slice(0, -1)},"data":${data}}`;
    const issue = issuesOf({ ...attributes, ...(data === undefined ? {} : { data: parseJson(data) }) })[0];
    yield issue
      ? { line, reason: `${issue.field} ${issue.reason}`.trim() }
      : ready(line, attributes, data, json);
  }
}

function ready(
  line: number,
  attributes: Record<string, unknown>,
  data: string | undefined,
  json: string,
): ReadyEvent {
  const { id, source, type, time } = attributes as {
    id: string;
    source: string;
    type: string;
    time?: string | null;
  };
  return { line, id, source, type, time: time ?? undefined, data, json };
}

function idOf(content: string, copies: Map<bigint, number>): string {
  const hash = Bun.hash(content) as bigint;
  const earlier = copies.get(hash) ?? 0;
  copies.set(hash, earlier + 1);
  return new Bun.CryptoHasher('sha256')
    .update(content)
    .update(`#${earlier}`)
    .digest('base64url')
    .slice(0, 32);
}
