import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { limitStatement } from '@usage/db/connection/statementLimit.ts';
import {
  analyzeCorrections,
  type CorrectableEvent,
  type CorrectableFilter,
  findCorrectable,
  getCorrection,
  insertCorrections,
  listCorrections,
  lockCorrections,
  type NewCorrection,
  type StoredCorrection,
  undoCorrections,
} from '@usage/db/corrections/corrections.ts';
import { type Actor, insertAudit } from '@usage/db/limits/audit.ts';
import { metersOfTypes } from '@usage/db/meters/findMeters.ts';
import { readRegistryShared } from '@usage/db/meters/registry.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { fromDatabase } from '../database.ts';
import { type Effect, effectsOf } from './effects.ts';
import { markMinutes } from './markMinutes.ts';
import { Correct, eventsMax, listMax } from './model.ts';
import { amendedBy, type Change, differs, inForce } from './versions.ts';

/** Events are looked for one by one where nothing narrows their time. */
const searchMsMax = 15_000;
const queryCanceled = '57014';
/** Stored events of one identity: more than one where a copy came after the dedupe window, or in a backfill. */
const copiesMax = 100;

export interface Corrected {
  events: number;
  unchanged: number;
  dryRun: boolean;
  effects: Effect[];
  corrections: string[];
}

/**
 * Voids or amends events, in one transaction:
 *
 *   1. the events are looked for, with the corrections that are in force
 *   2. the registry is locked shared: no meter is made between 3 and the commit
 *   3. the new corrections are written, and the minutes concerned are marked stale for every meter of the type: from the
 *      commit on queries read these minutes from the events as they are corrected
 *
 * Problems: 400, 404 for an event that is not stored, 503 where it takes too long.
 */
export async function correct(sql: Sql, actor: Actor, body: unknown): Promise<Corrected> {
  const wanted = readBodyAs('correction', Correct, body);
  checkTogether(wanted);
  return fromDatabase(
    sql.begin(async (tx) => {
      await lockCorrections(tx, actor.namespace);
      const events = await find(tx, actor.namespace, wanted);
      const changes = events.map((event) => ({ event, amended: amendedBy(wanted, event) })).filter(differs);
      await readRegistryShared(tx);
      const types = [...new Set(changes.map(({ event }) => event.type))];
      const meters = await metersOfTypes(tx, actor.namespace, types);
      const effects = effectsOf(
        meters,
        changes.map(({ event, amended }) => ({ event, before: inForce(event), after: amended })),
      );
      const dryRun = wanted.dryRun ?? false;
      const ids = dryRun ? [] : await write(tx, actor, wanted, changes);
      const unchanged = events.length - changes.length;
      return { events: changes.length, unchanged, dryRun, effects, corrections: ids.map(String) };
    }) as Promise<Corrected>,
  );
}

/** Puts the event back as it came. Problems: 404, 503. */
export async function undo(sql: Sql, actor: Actor, id: string) {
  const { namespace, name } = actor;
  const notFound = new Problem(
    'not_found',
    `There is no correction with the id ${JSON.stringify(id.slice(0, 64))}.`,
  );
  if (!/^\d{1,18}$/.test(id)) throw notFound;
  return fromDatabase(
    sql.begin(async (tx) => {
      await lockCorrections(tx, namespace);
      await readRegistryShared(tx);
      const [undone] = await undoCorrections(tx, namespace, [BigInt(id)], name);
      const stored = undone ?? (await getCorrection(tx, namespace, BigInt(id)));
      if (!stored) throw notFound;
      if (undone) {
        const times = [undone.old_time_us, ...(undone.time_us === null ? [] : [undone.time_us])];
        await markMinutes(tx, namespace, new Map([[undone.type, times]]));
        await insertAudit(tx, actor, {
          action: 'undo',
          resource: 'correction',
          resourceId: id,
          before: toWire(undone),
        });
      }
      return toWire(stored);
    }) as Promise<ReturnType<typeof toWire>>,
  );
}

/** Newest first. */
export async function corrections(
  sql: Sql,
  namespace: string,
  {
    limit = listMax,
    before,
    since,
    source,
    id,
  }: { limit?: number; before?: string; since?: string; source?: string; id?: string },
) {
  const beforeId = before === undefined ? undefined : BigInt(before);
  const listing = { beforeId, since, source, eventId: id, limit };
  return { items: (await fromDatabase(listCorrections(sql, namespace, listing))).map(toWire) };
}

function checkTogether({ action, event, filter, time, subject, data }: Correct): void {
  const issues: { field: string; reason: string }[] = [];
  const amends = time !== undefined || subject !== undefined || data !== undefined;
  if ((event === undefined) === (filter === undefined))
    issues.push({ field: '', reason: 'exactly one of event and filter must be given' });
  if (action === 'amend' && filter)
    issues.push({ field: 'filter', reason: 'is for void: one event is amended at a time' });
  if (action === 'amend' && !amends)
    issues.push({ field: '', reason: 'time, subject or data must be given to amend' });
  if (action === 'void' && amends) issues.push({ field: '', reason: 'time, subject and data are for amend' });
  if (filter && filter.type === undefined && filter.source === undefined && filter.subject === undefined)
    issues.push({ field: 'filter', reason: 'must have a type, source or subject' });
  if (
    filter?.from !== undefined &&
    filter.to !== undefined &&
    parseTimeUs(filter.from)! >= parseTimeUs(filter.to)!
  )
    issues.push({ field: 'filter', reason: 'from must be before to' });
  if (issues.length > 0) throw invalid('correction', issues);
}

async function find(tx: Transaction, namespace: string, wanted: Correct): Promise<CorrectableEvent[]> {
  const { event, filter } = wanted;
  const timeOf = (text: string | undefined) => (text === undefined ? undefined : parseTimeUs(text));
  const atUs = timeOf(event?.time);
  const where: CorrectableFilter = event
    ? { source: event.source, id: event.id, fromUs: atUs, toUs: atUs === undefined ? undefined : atUs + 1 }
    : {
        ...{ type: filter?.type, source: filter?.source, subject: filter?.subject },
        ...{ fromUs: timeOf(filter?.from), toUs: timeOf(filter?.to) },
      };
  await limitStatement(tx, searchMsMax);
  const found = await findCorrectable(tx, namespace, where, event ? copiesMax : eventsMax + 1).catch(
    (error) => {
      if ((error as { code?: unknown }).code !== queryCanceled) throw error;
      throw unavailable(
        `The events were not found within ${searchMsMax / 1_000} s: narrow the filter by from and to.`,
        5,
        error,
      );
    },
  );
  if (event && found.length === 0)
    throw new Problem(
      'not_found',
      'There is no stored event with this source and id; a new one is stored within a second or so.',
    );
  if (found.length > eventsMax)
    throw new Problem(
      'bad_request',
      `The filter takes more than ${eventsMax} events, the most of one request: narrow it by from and to.`,
    );
  return event ? ofIdentity(wanted, found) : found;
}

/**
 * Those to be corrected: what counts. Where none does, an amendment brings one back: the newest, of those that were sent under no
 * backfill if there is one.
 */
function ofIdentity({ action }: Correct, found: CorrectableEvent[]): CorrectableEvent[] {
  const counted = found.filter((event) => inForce(event) !== undefined);
  if (counted.length > 0) return counted;
  if (action === 'void') return found;
  const rank = (event: CorrectableEvent) => Number(event.is_of_backfill);
  return found.sort((a, b) => rank(a) - rank(b) || (a.batch_id < b.batch_id ? 1 : -1)).slice(0, 1);
}

async function write(
  tx: Transaction,
  actor: Actor,
  wanted: Correct,
  changes: readonly Change[],
): Promise<bigint[]> {
  if (changes.length === 0) return [];
  const { action: kind, reason } = wanted;
  const written: NewCorrection[] = changes.map((change) => ({ ...change, kind, reason, actor: actor.name }));
  const ids = await insertCorrections(tx, actor.namespace, written);
  await analyzeCorrections(tx, ids.length);
  const times = new Map<string, number[]>();
  for (const { event, amended } of changes) {
    const ofType = times.get(event.type) ?? [];
    ofType.push(event.time_us, ...[event.amended_time_us, amended?.timeUs].filter((us) => us != null));
    times.set(event.type, ofType);
  }
  await markMinutes(tx, actor.namespace, times);
  const { event, filter } = wanted;
  const resourceId = event ? `${event.source}/${event.id}`.slice(0, 256) : `${changes.length} events`;
  await insertAudit(tx, actor, {
    action: kind,
    resource: 'event',
    resourceId,
    after: { reason, filter, corrections: ids.length },
  });
  return ids;
}

function toWire(stored: StoredCorrection) {
  return {
    id: String(stored.id),
    action: stored.kind,
    reason: stored.reason,
    event: {
      source: stored.source,
      id: stored.event_id,
      type: stored.type,
      time: formatTimeUs(stored.old_time_us),
    },
    ...(stored.time_us !== null && {
      amended: {
        ...{ time: formatTimeUs(stored.time_us), subject: stored.subject },
        ...(stored.data !== null && { data: parseJson(stored.data) }),
      },
    }),
    correctedAt: stored.corrected_at.toISOString(),
    correctedBy: stored.actor,
    ...(stored.undone_at && { undoneAt: stored.undone_at.toISOString(), undoneBy: stored.undone_by }),
  };
}
