import type { Sql } from '@usage/db/connect.ts';
import { loadMeters } from '@usage/db/meters.ts';
import { DeltaBuilder } from '@usage/lib/meter/delta.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { Row } from './batch.ts';

/** The meters of one registry version, by namespace and event type. */
export class MeterSet {
  #byType = new Map<string, CompiledMeter[]>();

  private constructor(readonly version: bigint) {}

  static async load(sql: Sql): Promise<MeterSet> {
    const { version, meters } = await loadMeters(sql);
    const set = new MeterSet(version);
    for (const meter of meters) {
      const key = typeKey(meter.namespace, meter.eventType);
      const sameType = set.#byType.get(key);
      if (sameType) sameType.push(compileMeter(meter));
      else set.#byType.set(key, [compileMeter(meter)]);
    }
    return set;
  }

  /** What the rows add to each meter. */
  evaluate(rows: Iterable<Row>): Map<bigint, DeltaBuilder> {
    const deltas = new Map<bigint, DeltaBuilder>();
    if (this.#byType.size === 0) return deltas;
    for (const row of rows) {
      const meters = this.#byType.get(typeKey(row.namespace, row.type));
      if (!meters) continue;
      for (const compiled of meters) {
        const { build } = compiled.meter;
        let delta = deltas.get(build);
        if (!delta) {
          delta = new DeltaBuilder(compiled);
          deltas.set(build, delta);
        }
        delta.add(row.subject, row.timeUs, row.payload);
      }
    }
    return deltas;
  }
}

function typeKey(namespace: string, type: string): string {
  return `${namespace}\0${type}`;
}
