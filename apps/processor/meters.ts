import type { Sql } from '@usage/db/connect.ts';
import type { NewDelta } from '@usage/db/deltas.ts';
import { loadMeters } from '@usage/db/meters.ts';
import { CellTable } from '@usage/lib/meter/cellTable.ts';
import { encodeDelta } from '@usage/lib/meter/delta.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { Meter } from '@usage/lib/meter/meter.ts';
import type { Row } from './batch.ts';
import { MemberPicker } from './members.ts';
import { Texts } from './texts.ts';
import { textColumns } from './tuples.ts';

/** The meters of one type of event. */
interface TypeMeters {
  meters: CompiledMeter[];
  /** What they look at in the event's data. */
  data: MemberPicker;
}

/** The meters of one registry version. */
export class MeterSet {
  #byNamespace = new Map<string, Map<string, TypeMeters>>();

  constructor(
    readonly version: bigint,
    meters: readonly Meter[],
  ) {
    for (const meter of meters) this.#add(compileMeter(meter));
  }

  static async load(sql: Sql): Promise<MeterSet> {
    const { version, meters } = await loadMeters(sql);
    return new MeterSet(version, meters);
  }

  get isEmpty(): boolean {
    return this.#byNamespace.size === 0;
  }

  /** The meters of a type; undefined where nothing measures it. */
  of(namespace: string, type: string): TypeMeters | undefined {
    return this.#byNamespace.get(namespace)?.get(type);
  }

  #add(compiled: CompiledMeter): void {
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
  #tables = new Map<bigint, CellTable>();

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
    for (const compiled of found.meters) {
      const measured = compiled.measure(payload);
      if (typeof measured !== 'string') this.#tableOf(compiled.meter).addEvent(name, row.timeUs, measured);
    }
  }

  /** Of the meters that anything was added to. */
  deltas(arrivedMs: number): NewDelta[] {
    return [...this.#tables].map(([build, table]) => ({
      build,
      cells: table.size,
      arrivedMs,
      payload: encodeDelta(table),
    }));
  }

  #tableOf({ build, aggregation }: Meter): CellTable {
    let table = this.#tables.get(build);
    if (!table) {
      table = new CellTable(aggregation);
      this.#tables.set(build, table);
    }
    return table;
  }
}
