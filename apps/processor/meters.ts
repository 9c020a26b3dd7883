import type { Sql } from '@usage/db/connection/connect.ts';
import { loadMeters } from '@usage/db/meters/meters.ts';
import type { NewDelta } from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { encodeDelta } from '@usage/lib/cells/delta.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { Meter } from '@usage/lib/meter/meter.ts';
import type { Row } from './batch.ts';
import { MemberPicker } from './reading/members.ts';
import { Texts } from './reading/texts.ts';
import { textColumns } from './reading/tuples.ts';

/** A meter with its place in the set. */
interface PlacedMeter extends CompiledMeter {
  place: number;
}

/** The meters of one type of event. */
interface TypeMeters {
  meters: PlacedMeter[];
  /** What they look at in the event's data. */
  data: MemberPicker;
}

/** The meters of one registry version. */
export class MeterSet {
  #byNamespace = new Map<string, Map<string, TypeMeters>>();

  constructor(
    readonly version: bigint,
    /** Of the registry, with that version. */
    readonly token: string,
    meters: readonly Meter[],
  ) {
    meters.forEach((meter, place) => {
      this.#add({ ...compileMeter(meter), place });
    });
  }

  static async load(sql: Sql): Promise<MeterSet> {
    const { version, token, meters } = await loadMeters(sql);
    return new MeterSet(version, token, meters);
  }

  get isEmpty(): boolean {
    return this.#byNamespace.size === 0;
  }

  /** The meters of a type; undefined where nothing measures it. */
  of(namespace: string, type: string): TypeMeters | undefined {
    return this.#byNamespace.get(namespace)?.get(type);
  }

  #add(compiled: PlacedMeter): void {
    const { namespace, eventType } = compiled.meter;
    const types = this.#byNamespace.get(namespace) ?? new Map<string, TypeMeters>();
    this.#byNamespace.set(namespace, types);
    const meters = [...(types.get(eventType)?.meters ?? []), compiled];
    types.set(eventType, { meters, data: new MemberPicker(meters.map((one) => one.members)) });
  }
}

/** Subjects, types and group values of this process. */
const texts = new Texts();

/** Sums what rows add to each meter. */
export class Evaluation {
  /** By the meter's place. */
  #tables: { generation: bigint; table: CellTable }[] = [];

  constructor(readonly meters: MeterSet) {}

  add(row: Row): void {
    if (this.meters.isEmpty) return;
    const { bytes } = row.tuples;
    const { namespace, type, subject, data } = textColumns(bytes, row.start);
    const found = this.meters.of(
      texts.of(bytes, namespace.at, namespace.end),
      texts.of(bytes, type.at, type.end),
    );
    if (!found) return;
    const name = texts.of(bytes, subject.at, subject.end);
    const payload = data.at < 0 ? undefined : found.data.pick(bytes, data.at, data.end, texts);
    for (const meter of found.meters) {
      const measured = meter.measure(payload);
      if (typeof measured !== 'string') this.#tableOf(meter).addEvent(name, row.timeUs, measured);
    }
  }

  /** Of the meters that anything was added to. */
  deltas(arrivedMs: number): NewDelta[] {
    return this.#tables
      .filter((entry) => entry !== undefined)
      .map(({ generation, table }) => ({
        generation,
        weight: table.weight,
        arrivedMs,
        payload: encodeDelta(table),
      }));
  }

  #tableOf({ place, meter: { generation, aggregation } }: PlacedMeter): CellTable {
    this.#tables[place] ??= { generation, table: new CellTable(aggregation) };
    return this.#tables[place].table;
  }
}

/** What the rows add to each meter, encoded; the earliest arrived at `fromMs`. */
export function deltasOf(meters: MeterSet, rows: readonly Row[], fromMs: number): NewDelta[] {
  const evaluation = new Evaluation(meters);
  for (const row of rows) evaluation.add(row);
  return evaluation.deltas(fromMs);
}
