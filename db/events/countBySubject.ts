import type { Executor } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import { eventsOfBatches } from './tenantBatches.ts';

/** How many events of a namespace have their time in a range, by subject, in the order of the subjects. */
export async function countBySubject(
  tx: Executor,
  namespace: string,
  { fromUs, toUs }: { fromUs: number; toUs: number },
  subjectsMax: number,
): Promise<{ subject: string; events: number }[]> {
  const batches = await tx<{ id: bigint }[]>`
    SELECT DISTINCT batch_id AS id FROM batch_types
    WHERE namespace = ${namespace} AND last_time >= ${timeOf(tx, fromUs)} AND first_time < ${timeOf(tx, toUs)}
    UNION SELECT id FROM batches WHERE NOT described`;
  if (batches.length === 0) return [];
  const condition = tx`e.namespace = ${namespace} AND e.time >= ${timeOf(tx, fromUs)} AND e.time < ${timeOf(tx, toUs)}`;
  const ids = batches.map(({ id }) => id);
  return tx<{ subject: string; events: number }[]>`
    SELECT subject, count(*)::float8 AS events
    FROM ${eventsOfBatches(tx, ids, condition, Number.POSITIVE_INFINITY)} e
    GROUP BY subject ORDER BY subject COLLATE "C" LIMIT ${subjectsMax}`;
}
