import type { Executor } from '../connection/connect.ts';
import type { Rule } from './rules.ts';

/** Keys of the features, and slugs of the meters, that rules name by id. */
export async function namesOf(sql: Executor, rules: readonly Pick<Rule, 'featureIds' | 'meterId'>[]) {
  const featureIds = [...new Set(rules.flatMap((rule) => rule.featureIds ?? []))];
  const meterIds = [...new Set(rules.flatMap((rule) => rule.meterId ?? []))];
  const [features, meters] = await Promise.all([
    featureIds.length === 0
      ? []
      : sql<
          { id: string; name: string }[]
        >`SELECT id, key AS name FROM features WHERE id = ANY(${featureIds}::text[])`,
    meterIds.length === 0
      ? []
      : sql<
          { id: string; name: string }[]
        >`SELECT id, slug AS name FROM meters WHERE id = ANY(${meterIds}::text[])`,
  ]);
  const byId = (rows: readonly { id: string; name: string }[]) =>
    new Map(rows.map(({ id, name }) => [id, name]));
  return { features: byId(features), meters: byId(meters) };
}
