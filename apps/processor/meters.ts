import type { Sql } from '@usage/db/connection/connect.ts';
import type { BatchType } from '@usage/db/events/batchTypes.ts';
import { loadMeters } from '@usage/db/meters/findMeters.ts';
import type { NewDelta } from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { encodeDelta } from '@usage/lib/cells/delta.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { EventAttributes } from '@usage/lib/meter/eventFilters.ts';
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
  /** Whether any of them looks at the event's attributes. */
  readsAttributes: boolean;
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

  /** The meters of a type; undefined where nothing measures it. */
  of(namespace: string, type: string): TypeMeters | undefined {
    return this.#byNamespace.get(namespace)?.get(type);
  }

  #add(compiled: PlacedMeter): void {
    const { namespace, eventType } = compiled.meter;
    const types = this.#byNamespace.get(namespace) ?? new Map<string, TypeMeters>();
    this.#byNamespace.set(namespace, types);
    const meters = [...(types.get(eventType)?.meters ?? []), compiled];
    types.set(eventType, {
      meters,
      data: new MemberPicker(meters.map((one) => one.members)),
      readsAttributes: meters.some((one) => one.readsAttributes),
    });
  }
}

/** Subjects, types and group values of this process. */
const texts = new Texts();

/** For meters that look at none. */
const noAttributes: EventAttributes = { id: '', source: '', subject: '', attributes: null };

function attributesOf({ tuples: { bytes }, start }: Row): EventAttributes {
  const { id, source, subject, attributes } = textColumns(bytes, start);
  return {
    id: bytes.toString('utf8', id.at, id.end),
    source: texts.of(bytes, source.at, source.end),
    subject: texts.of(bytes, subject.at, subject.end),
    attributes: attributes.at < 0 ? null : bytes.toString('utf8', attributes.at, attributes.end),
  };
}

/** What rows add to each meter, and what there is of each namespace and type. */
export interface Contribution {
  deltas: NewDelta[];
  types: BatchType[];
}

/** The rows of one namespace and type in a batch, and the meters of that type. */
interface Tally extends BatchType {
  meters: TypeMeters | undefined;
}

/** Sums what rows add to each meter. */
export class Evaluation {
  /** By the meter's place. */
  #tables: { generation: bigint; table: CellTable }[] = [];
  #tallies = new Map<string, Map<string, Tally>>();

  constructor(readonly meters: MeterSet) {}

  add(row: Row): void {
    const { bytes } = row.tuples;
    const { namespace, type, subject, data } = textColumns(bytes, row.start);
    const found = this.#tally(
      row,
      texts.of(bytes, namespace.at, namespace.end),
      texts.of(bytes, type.at, type.end),
    );
    if (!found) return;
    const name = texts.of(bytes, subject.at, subject.end);
    const payload = data.at < 0 ? undefined : found.data.pick(bytes, data.at, data.end, texts);
    for (const meter of found.meters) {
      const measured = meter.measure(payload, found.readsAttributes ? attributesOf(row) : noAttributes);
      if (typeof measured === 'object') this.#tableOf(meter).addEvent(name, row.timeUs, measured);
    }
  }

  /** Deltas of the meters that anything was added to; the earliest row arrived at `arrivedMs`. */
  contribution(arrivedMs: number): Contribution {
    const deltas = this.#tables
      .filter((entry) => entry !== undefined)
      .map(({ generation, table }) => ({
        generation,
        weight: table.weight,
        arrivedMs,
        payload: encodeDelta(table),
      }));
    return { deltas, types: [...this.#tallies.values()].flatMap((types) => [...types.values()]) };
  }

  /** Counts the row; returns the meters that measure it. */
  #tally({ timeUs, arrivedMs }: Row, namespace: string, type: string): TypeMeters | undefined {
    const types = this.#tallies.get(namespace) ?? new Map<string, Tally>();
    if (types.size === 0) this.#tallies.set(namespace, types);
    const arrivedUs = arrivedMs * 1_000;
    let tally = types.get(type);
    if (!tally) {
      const times = {
        firstTimeUs: timeUs,
        lastTimeUs: timeUs,
        firstArrivedUs: arrivedUs,
        lastArrivedUs: arrivedUs,
      };
      tally = { namespace, type, events: 0, ...times, meters: this.meters.of(namespace, type) };
      types.set(type, tally);
    }
    tally.events++;
    if (timeUs < tally.firstTimeUs) tally.firstTimeUs = timeUs;
    if (timeUs > tally.lastTimeUs) tally.lastTimeUs = timeUs;
    if (arrivedUs < tally.firstArrivedUs) tally.firstArrivedUs = arrivedUs;
    if (arrivedUs > tally.lastArrivedUs) tally.lastArrivedUs = arrivedUs;
    return tally.meters;
  }

  #tableOf({ place, meter: { generation, aggregation } }: PlacedMeter): CellTable {
    this.#tables[place] ??= { generation, table: new CellTable(aggregation) };
    return this.#tables[place].table;
  }
}

export function contributionOf(meters: MeterSet, rows: readonly Row[], fromMs: number): Contribution {
  const evaluation = new Evaluation(meters);
  for (const row of rows) evaluation.add(row);
  return evaluation.contribution(fromMs);
}

/** Of two parts of one batch. */
export function joined(one: Contribution, other: Contribution): Contribution {
  const keyOf = ({ namespace, type }: BatchType) => `${namespace}\0${type}`;
  const types = new Map(one.types.map((tally) => [keyOf(tally), tally]));
  for (const more of other.types) {
    const known = types.get(keyOf(more));
    types.set(keyOf(more), known ? sum(known, more) : more);
  }
  return { deltas: [...one.deltas, ...other.deltas], types: [...types.values()] };
}

function sum(one: BatchType, other: BatchType): BatchType {
  return {
    ...one,
    events: one.events + other.events,
    firstTimeUs: Math.min(one.firstTimeUs, other.firstTimeUs),
    lastTimeUs: Math.max(one.lastTimeUs, other.lastTimeUs),
    firstArrivedUs: Math.min(one.firstArrivedUs, other.firstArrivedUs),
    lastArrivedUs: Math.max(one.lastArrivedUs, other.lastArrivedUs),
  };
}
