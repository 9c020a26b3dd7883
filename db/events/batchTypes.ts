import type { Executor, Sql } from '../connection/connect.ts';

/** What a batch holds of one namespace and type. Times in µs since 1970. */
export interface BatchType {
  namespace: string;
  type: string;
  events: number;
  firstTimeUs: number;
  lastTimeUs: number;
  firstArrivedUs: number;
  lastArrivedUs: number;
}

/**
 * Which batches hold events of a tenant: read `batch_types` by (namespace, type, batch_id), (namespace, last_arrived,
 * batch_id) or (namespace, last_time, batch_id). Beside them every batch with NOT described may hold events of any tenant:
 * take those as well, by `batches_undescribed`. That index is empty once describeBatches has caught up after an update.
 */
export async function insertBatchTypes(
  sql: Executor,
  batchId: bigint,
  types: readonly BatchType[],
): Promise<void> {
  if (types.length === 0) return;
  const column = (key: Exclude<keyof BatchType, 'namespace' | 'type'>) => types.map((one) => one[key]);
  await sql`
    INSERT INTO batch_types (batch_id, namespace, type, events, first_time, last_time, first_arrived, last_arrived)
    SELECT ${batchId}, namespace, type, events, epoch + first_time * us, epoch + last_time * us,
           epoch + first_arrived * us, epoch + last_arrived * us
    FROM unnest(${types.map((one) => one.namespace)}::text[], ${types.map((one) => one.type)}::text[],
                ${column('events')}::int[], ${column('firstTimeUs')}::float8[], ${column('lastTimeUs')}::float8[],
                ${column('firstArrivedUs')}::float8[], ${column('lastArrivedUs')}::float8[])
           AS t (namespace, type, events, first_time, last_time, first_arrived, last_arrived),
         (SELECT timestamptz 'epoch' AS epoch, INTERVAL '1 microsecond' AS us) unit`;
}

/**
 * Describes batches that no row of batch_types describes yet, the oldest first: at most `batchesMax`, and no further one
 * once they hold `eventsMax` events. Returns how many; 0 when none is left (or another process is at it). Reads the
 * events of these batches alone, and only ids of committed batches: safe to run beside processors and itself.
 */
export async function describeBatches(sql: Sql, batchesMax: number, eventsMax: number): Promise<number> {
  return (await sql.begin(async (tx) => {
    const batches = await tx<{ id: bigint }[]>`
      SELECT id FROM (
        SELECT id, sum(events) OVER (ORDER BY id) - events AS before FROM (
          SELECT id, events FROM batches WHERE NOT described ORDER BY id LIMIT ${batchesMax} FOR UPDATE SKIP LOCKED) locked
      ) running WHERE before < ${eventsMax} ORDER BY id`;
    if (batches.length === 0) return 0;
    const ids = batches.map(({ id }) => String(id));
    await tx`
      INSERT INTO batch_types (batch_id, namespace, type, events, first_time, last_time, first_arrived, last_arrived)
      SELECT batch_id, namespace, type, count(*), min(time), max(time), min(ingested_at), max(ingested_at)
      FROM events
      WHERE batch_id BETWEEN ${ids[0]!} AND ${ids.at(-1)!} AND batch_id = ANY(${ids}::bigint[])
      GROUP BY batch_id, namespace, type`;
    await tx`UPDATE batches SET described = true WHERE id = ANY(${ids}::bigint[])`;
    return batches.length;
  })) as number;
}
