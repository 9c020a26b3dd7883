import type { Counter } from 'prom-client';

/**
 * Gives a labelled counter its series at 0. prom-client makes a series by its first increment, and what Prometheus first
 * sees at 1 has never increased for it: an alert on increase() would miss the first one.
 */
export function countedFromZero<Label extends string>(
  counter: Counter<Label>,
  label: Label,
  values: readonly string[],
): Counter<Label> {
  for (const value of values) counter.inc({ [label]: value } as Record<Label, string>, 0);
  return counter;
}
