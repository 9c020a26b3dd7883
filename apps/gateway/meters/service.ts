import type { Sql } from '@usage/db/connection/connect.ts';
import {
  allByKey,
  getMeter as findStored,
  listMeters as listStored,
  type MeterListing,
  metersPerNamespaceMax,
} from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import * as store from '@usage/db/meters/meters.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { readMeterDefinition, readMeterUpdate } from '@usage/lib/meter/definition.ts';
import { fromDatabase } from '../database.ts';
import type { Meter } from './model.ts';

const shownLengthMax = 100;

/** From the parsed body of a request. Problems: 400 with every issue, 409, 503. */
export async function createMeter(
  sql: Sql,
  namespace: string,
  body: unknown,
  nameOf = asItIs,
): Promise<Meter> {
  const read = readMeterDefinition(body);
  if ('issues' in read) throw invalidMeter(read.issues, nameOf);
  const outcome = await fromDatabase(store.createMeter(sql, namespace, read.value));
  if ('meter' in outcome) return toWire(outcome.meter);
  if (outcome.refused === 'slug') {
    throw new Problem(
      'conflict',
      `There is a meter with the slug ${read.value.slug} already; change it by PUT or choose another slug.`,
    );
  }
  throw new Problem(
    'conflict',
    `The namespace has ${metersPerNamespaceMax} meters, the most it can have; delete one first.`,
  );
}

/** Replaces what can change of a meter. Problems: 400, 404, 503. */
export async function updateMeter(
  sql: Sql,
  namespace: string,
  idOrSlug: string,
  body: unknown,
  nameOf = asItIs,
): Promise<Meter> {
  const meter = await findMeter(sql, namespace, idOrSlug);
  if (meter.deletedAt) throw meterNotFound(idOrSlug);
  const read = readMeterUpdate(body, meter.valueProperty);
  if ('issues' in read) throw invalidMeter(read.issues, nameOf);
  const { name, description, metadata, groupBy } = read.value;
  const changes = { name: name ?? meter.slug, description, metadata: metadata ?? null, groupBy };
  const updated = await fromDatabase(store.updateMeter(sql, namespace, meter.id, changes));
  if (!updated) throw meterNotFound(idOrSlug);
  return toWire(updated);
}

/** How the wire calls a field. */
const asItIs = (field: string): string => field;

function invalidMeter(issues: readonly Issue[], nameOf: (field: string) => string): Problem {
  return invalid(
    'meter',
    issues.map(({ field, reason }) => ({ field: nameOf(field), reason })),
  );
}

/** Deleting one that is deleted already, by its id, succeeds. Problems: 404, 503. */
export async function deleteMeter(sql: Sql, namespace: string, idOrSlug: string): Promise<void> {
  const meter = await findMeter(sql, namespace, idOrSlug);
  await fromDatabase(store.deleteMeter(sql, namespace, meter.id));
}

/** By id, deleted or not, or by slug. Problems: 404. */
export async function getMeter(sql: Sql, namespace: string, idOrSlug: string): Promise<Meter> {
  return toWire(await findMeter(sql, namespace, idOrSlug));
}

/** By key, all of them, unless the listing says otherwise. */
export async function listMeters(
  sql: Sql,
  namespace: string,
  listing: Partial<MeterListing> = {},
): Promise<Meter[]> {
  return (await fromDatabase(listStored(sql, namespace, { ...allByKey, ...listing }))).map(toWire);
}

/** As OpenMeter answers: what is not set, and an empty groupBy, is left out. */
export function toWire(meter: StoredMeter): Meter {
  const { id, slug, name, description, metadata, eventType, eventFromUs, aggregation, valueProperty } = meter;
  return {
    id,
    slug,
    name,
    ...(description !== undefined && { description }),
    ...(metadata !== undefined && { metadata }),
    eventType,
    ...(eventFromUs !== undefined && { eventFrom: formatTimeUs(eventFromUs) }),
    aggregation,
    ...(valueProperty !== undefined && { valueProperty }),
    ...(meter.valueExpression !== undefined && { valueExpression: meter.valueExpression }),
    ...(meter.timeUnit !== undefined && { timeUnit: meter.timeUnit }),
    ...(meter.filters !== undefined && { filters: meter.filters }),
    ...(Object.keys(meter.groupBy).length > 0 && { groupBy: meter.groupBy }),
    createdAt: meter.createdAt.toISOString(),
    updatedAt: meter.updatedAt.toISOString(),
    ...(meter.deletedAt !== undefined && { deletedAt: meter.deletedAt.toISOString() }),
  };
}

async function findMeter(sql: Sql, namespace: string, idOrSlug: string): Promise<StoredMeter> {
  const meter = await fromDatabase(findStored(sql, namespace, idOrSlug));
  if (!meter) throw meterNotFound(idOrSlug);
  return meter;
}

function meterNotFound(idOrSlug: string): Problem {
  return new Problem(
    'not_found',
    `There is no meter with the id or slug ${JSON.stringify(idOrSlug.slice(0, shownLengthMax))}.`,
  );
}
