import { addDecimals, type Decimal, formatDecimal, parseDecimal } from '@usage/lib/decimal/decimal.ts';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { EventAttributes } from '@usage/lib/meter/eventFilters.ts';
import type { Meter } from '@usage/lib/meter/meter.ts';
import type { ReadyEvent } from './ids.ts';
import { isRefused, type RefusedRow } from './refusals.ts';

/** What the whole file comes to, before anything of it is sent. */
export interface Findings {
  events: number;
  /** The first of them. */
  samples: ReadyEvent[];
  /** Events without a time: their time is that of the import. */
  timeless: number;
  /** The earliest and the latest time; undefined where no event has one. */
  times: { from: string; to: string } | undefined;
  refused: RefusedRow[];
  /** Valid events that some meter of their type can't measure. */
  uncounted: RefusedRow[];
  /** Types that no meter measures, with how many events have them; empty where the meters aren't known. */
  unmeasured: Map<string, number>;
  /** Exact sums of the members of data that are numbers in every event. */
  sums: { field: string; sum: string }[];
}

const samplesMax = 5;
const fieldsSummedMax = 50;

/** Reads all events; `meters` undefined: nobody may say which events count. */
export async function checkEvents(
  events: AsyncIterable<ReadyEvent | RefusedRow>,
  meters: readonly Meter[] | undefined,
): Promise<Findings> {
  const findings: Findings = {
    events: 0,
    samples: [],
    timeless: 0,
    times: undefined,
    refused: [],
    uncounted: [],
    unmeasured: new Map(),
    sums: [],
  };
  const byType = meters && Map.groupBy(meters.map(compileMeter), ({ meter }) => meter.eventType);
  const times = new TimeRange();
  const sums = new Map<string, Decimal | 'no number'>();
  for await (const event of events) {
    if (isRefused(event)) {
      findings.refused.push(event);
      continue;
    }
    findings.events++;
    if (findings.samples.length < samplesMax) findings.samples.push(event);
    if (event.time === undefined) findings.timeless++;
    else times.add(event.time);
    const data = event.data === undefined ? undefined : parseJson(event.data);
    if (byType) measure(event, data, byType.get(event.type), findings);
    addUp(data, sums);
  }
  findings.times = times.range();
  for (const [field, sum] of sums)
    if (sum !== 'no number') findings.sums.push({ field, sum: formatDecimal(sum) });
  return findings;
}

function measure(
  event: ReadyEvent,
  data: unknown,
  meters: CompiledMeter[] | undefined,
  findings: Findings,
): void {
  if (!meters) findings.unmeasured.set(event.type, (findings.unmeasured.get(event.type) ?? 0) + 1);
  for (const compiled of meters ?? []) {
    const measured = compiled.measure(data, compiled.readsAttributes ? attributesOf(event) : noAttributes);
    if (typeof measured !== 'string') continue;
    const reason = measured.replace(/^invalid event: /, '');
    findings.uncounted.push({
      line: event.line,
      reason: `doesn't count for the meter ${compiled.meter.slug}: ${reason}`,
    });
    return;
  }
}

/** For meters that look at none. */
const noAttributes: EventAttributes = { id: '', source: '', subject: '', attributes: null };

/** Extension attributes are found by name among all members of the event. */
function attributesOf({ id, source, json }: ReadyEvent): EventAttributes {
  const { subject } = JSON.parse(json) as { subject: string };
  return { id, source, subject, attributes: json };
}

function addUp(data: unknown, sums: Map<string, Decimal | 'no number'>): void {
  if (typeof data !== 'object' || data === null) return;
  for (const [field, value] of Object.entries(data)) {
    const sum = sums.get(field);
    if (sum === 'no number' || (sum === undefined && sums.size >= fieldsSummedMax)) continue;
    const number = decimalOf(value);
    sums.set(
      field,
      number === undefined ? 'no number' : sum === undefined ? number : addDecimals(sum, number),
    );
  }
}

function decimalOf(value: unknown): Decimal | undefined {
  if (typeof value === 'number') return parseDecimal(String(value));
  if (JSON.isRawJSON(value)) return parseDecimal(value.rawJSON);
  return typeof value === 'string' ? parseDecimal(value) : undefined;
}

class TimeRange {
  #fromUs = Number.POSITIVE_INFINITY;
  #toUs = Number.NEGATIVE_INFINITY;
  #from = '';
  #to = '';

  add(time: string): void {
    const us = parseTimeUs(time)!;
    if (us < this.#fromUs) [this.#fromUs, this.#from] = [us, time];
    if (us > this.#toUs) [this.#toUs, this.#to] = [us, time];
  }

  range(): { from: string; to: string } | undefined {
    return this.#from === '' ? undefined : { from: this.#from, to: this.#to };
  }
}
