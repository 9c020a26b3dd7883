import type { CorrectableEvent } from '@usage/db/corrections/corrections.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { addDecimals, type Decimal, formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { type CompiledMeter, compileMeter } from '@usage/lib/meter/evaluate.ts';

/** An event as it counts. */
export interface Version {
  timeUs: number;
  subject: string;
  /** JSON text. */
  attributes: string | null;
  data: string | null;
}

export interface VersionChange {
  event: CorrectableEvent;
  /** undefined = does not count. */
  before: Version | undefined;
  after: Version | undefined;
}

/** What the events come to for one meter. */
export interface Effect {
  meter: string;
  events: { before: number; after: number };
  sum?: { before: string; after: string };
}

interface Total {
  events: number;
  sum: Decimal;
}

/** What the changes take from each meter, and give to it; meters that count none of the events are left out. */
export function effectsOf(meters: readonly StoredMeter[], changes: readonly VersionChange[]): Effect[] {
  return meters.flatMap((meter) => {
    const compiled = compileMeter(meter);
    const before: Total = { events: 0, sum: 0 };
    const after: Total = { events: 0, sum: 0 };
    for (const change of changes) {
      if (change.event.type !== meter.eventType) continue;
      add(before, compiled, change.event, change.before);
      add(after, compiled, change.event, change.after);
    }
    if (before.events === 0 && after.events === 0) return [];
    const hasValues = meter.aggregation !== 'COUNT' && meter.aggregation !== 'UNIQUE_COUNT';
    return {
      meter: meter.slug,
      events: { before: before.events, after: after.events },
      ...(hasValues && { sum: { before: formatDecimal(before.sum), after: formatDecimal(after.sum) } }),
    };
  });
}

function add(
  total: Total,
  { meter, measure }: CompiledMeter,
  event: CorrectableEvent,
  version: Version | undefined,
): void {
  if (!version || version.timeUs < ((meter as StoredMeter).eventFromUs ?? 0)) return;
  const { subject, attributes, data } = version;
  const measured = measure(data === null ? undefined : parseJson(data), {
    ...{ id: event.id, source: event.source, subject, attributes },
  });
  if (typeof measured !== 'object') return;
  total.events++;
  if (measured.value !== undefined) total.sum = addDecimals(total.sum, measured.value);
}
