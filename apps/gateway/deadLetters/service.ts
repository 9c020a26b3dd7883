import type { Sql } from '@usage/db/connection/connect.ts';
import {
  type DeadLetter,
  type DeadLetterOwner,
  listDeadLetters,
  lockForRedrive,
  markRedriven,
} from '@usage/db/events/deadLetters.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import { issuesOf } from '@usage/lib/event/event.ts';
import { readFrame } from '@usage/lib/frame/decode.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { parseBody } from '@usage/lib/http/body.ts';
import { invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { valueEnd } from '@usage/lib/json/scan.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { fromDatabase } from '../database.ts';
import { deadLettersPageMax, isId, Redrive } from './model.ts';

export interface DeadLetterAnswer {
  id: string;
  kind: 'frame' | 'event';
  reason: string;
  /** The event as JSON, or the frame's bytes as base64. */
  event?: unknown;
  frame?: string;
  createdAt: string;
  redrivenAt: string | null;
}

/** The newest first; `before` is the id of the last one of the page before. */
export async function listLetters(
  sql: Sql,
  by: Identity,
  { limit = deadLettersPageMax, before }: { limit?: number; before?: string },
): Promise<{ items: DeadLetterAnswer[] }> {
  const beforeId = before === undefined ? undefined : BigInt(before);
  const letters = await fromDatabase(listDeadLetters(sql, { ...ownedBy(by), beforeId, limit }));
  return { items: letters.map(toAnswer) };
}

/**
 * Puts dead letters back into the stream, each under its own identity, so that one that was stored meanwhile counts as a
 * duplicate. Those that still can't be stored become dead letters again. Returns how many were put back.
 */
export async function redrive(
  sql: Sql,
  stream: EventStream,
  by: Identity,
  body: unknown,
): Promise<{ redriven: number }> {
  const ids = readBodyAs('request', Redrive, body).ids.map(BigInt);
  return fromDatabase(
    sql.begin(async (tx) => {
      const letters = await lockForRedrive(tx, ids, ownedBy(by));
      for (const letter of letters) await append(stream, letter);
      await markRedriven(
        tx,
        letters.map((letter) => letter.id),
      );
      return { redriven: letters.length };
    }) as Promise<{ redriven: number }>,
  );
}

/**
 * Puts a mended event in the place of one dead letter: checked as the gateway checks every event, and kept as the text that
 * came. Problems: 400 with the event's issues, 404 where there is no such event that waits.
 */
export async function redriveMended(
  sql: Sql,
  stream: EventStream,
  by: Identity,
  id: string,
  text: string,
): Promise<{ redriven: number }> {
  const issues = issuesOf(parseBody(text));
  if (issues.length > 0) throw invalid('event', issues);
  if (!isId(id)) throw noSuchLetter(id);
  return fromDatabase(
    sql.begin(async (tx) => {
      const [letter] = await lockForRedrive(tx, [BigInt(id)], ownedBy(by));
      if (letter?.kind !== 'event') throw noSuchLetter(id);
      await append(stream, { ...letter, payload: Buffer.from(text) });
      await markRedriven(tx, [letter.id]);
      return { redriven: 1 };
    }) as Promise<{ redriven: number }>,
  );
}

function noSuchLetter(id: string): Problem {
  return new Problem(
    'not_found',
    `There is no event among the dead letters with the id ${JSON.stringify(id.slice(0, 64))} that waits to be driven again.`,
  );
}

/** A frame that can't be read may hold the events of every tenant. */
function ownedBy({ namespace, isOperator }: Identity): DeadLetterOwner {
  return { namespace, withUnowned: isOperator };
}

async function append(stream: EventStream, letter: DeadLetter): Promise<void> {
  if (letter.kind === 'frame') {
    await stream.append(letter.payload, eventsIn(letter.payload));
    return;
  }
  const part = {
    namespace: ownerOf(letter),
    receivedMs: Date.parse(letter.created_at),
    events: letter.payload.toString(),
    count: 1,
    ...(letter.backfill !== null && { backfill: letter.backfill }),
  };
  await stream.append(encodeFrame([part]), 1);
}

/** Who an event belongs to is known from its frame; a dead letter without an owner is a frame, and goes back as one. */
function ownerOf({ id, namespace }: DeadLetter): string {
  if (namespace === null) throw new Error(`dead letter ${id} holds an event of no namespace`);
  return namespace;
}

/** 0 where the frame still can't be decoded: a newer processor may be able to. */
function eventsIn(frame: Buffer): number {
  try {
    let events = 0;
    const count = (json: Buffer, at: number) => {
      events++;
      return valueEnd(json, at);
    };
    readFrame(frame, count, () => {});
    return events;
  } catch {
    return 0;
  }
}

function toAnswer(letter: DeadLetter): DeadLetterAnswer {
  const content =
    letter.kind === 'event'
      ? { event: parseJson(letter.payload.toString()) }
      : { frame: letter.payload.toString('base64') };
  return {
    id: letter.id.toString(),
    kind: letter.kind,
    reason: letter.reason,
    ...content,
    createdAt: new Date(letter.created_at).toISOString(),
    redrivenAt: letter.redriven_at === null ? null : new Date(letter.redriven_at).toISOString(),
  };
}
