import type { Access, Identity } from '@usage/lib/auth/access.ts';
import { readBody } from '@usage/lib/http/body.ts';
import { answerTo, isNothingToTell } from './answer.ts';
import { backfillOf, type Ingest, keepEvents, refuseWhileFull } from './append.ts';
import type { Completion } from './complete.ts';
import { isLines, layoutOf } from './contentType.ts';
import { ingestLines } from './lines.ts';
import { preferencesOf } from './prefer.ts';
import { eventsOf } from './read.ts';

/**
 * The answer (undefined = 204, nothing to tell), once Redis has acknowledged every event of the request (or the
 * processors have committed them, where it waits for that); throws a Problem when nothing was kept.
 */
export async function ingestEvents(
  ingest: Ingest,
  request: Request,
  access: Access,
  identity: Identity,
  completion?: Completion,
): Promise<Response | undefined> {
  try {
    return await readAndKeep(ingest, request, access, identity, completion);
  } catch (error) {
    ingest.activity.rejected(identity.namespace, 1);
    throw error;
  }
}

async function readAndKeep(
  ingest: Ingest,
  request: Request,
  access: Access,
  identity: Identity,
  completion?: Completion,
): Promise<Response | undefined> {
  const { headers } = request;
  const preferences = preferencesOf(headers);
  if (isLines(headers)) return await ingestLines(ingest, request, access, identity, preferences, completion);
  refuseWhileFull(ingest);
  const backfill = headers.has('usage-backfill')
    ? await backfillOf(ingest, identity.namespace, headers)
    : undefined;
  const { limits } = ingest;
  const layout = layoutOf(headers);
  const body = await readBody(request, limits.bodyBytesMax, ingest.bodies);
  const read = eventsOf(layout, headers, body, limits, preferences.lenient, completion);
  const { count } = read;
  if (count > 0) access.takeEvents(identity, count);
  if (read.rejected.length > 0) ingest.activity.rejected(identity.namespace, read.rejected.length);
  const waiter =
    preferences.waitSeconds === undefined ? undefined : ingest.outcomes.wait(preferences.waitSeconds);
  try {
    if (count > 0) await keepEvents(ingest, identity.namespace, read, { waitToken: waiter?.token, backfill });
  } catch (error) {
    waiter?.callOff();
    throw error;
  }
  const { waitSeconds } = preferences;
  const applied =
    waiter || waitSeconds === undefined ? preferences : { ...preferences, waitSeconds: undefined };
  if (isNothingToTell(applied, read.rejected)) return undefined;
  const committed = count === 0 ? [] : await waiter?.committed;
  return answerTo({ ...read, committed }, applied);
}
