import { describe, expect, test } from 'bun:test';
import { dayMs } from '@usage/lib/windows/units.ts';
import fc from 'fast-check';
import { ulid } from 'ulid';
import {
  type Filing,
  filingAt as filingOfBytes,
  type PeriodRules,
  periodOf,
  periodsAround,
  timeOfId,
} from './partition.ts';

/** By ids as texts. */
function filingAt(arrivalMs: number, rules: PeriodRules): (id: string) => Filing {
  const file = filingOfBytes(arrivalMs, rules);
  return (text) => file(Buffer.from(text), { at: 0, end: Buffer.byteLength(text), text: undefined });
}

const hourMs = 3_600_000;
const monday = Date.UTC(2026, 10, 23);
const weekly: PeriodRules = { periodDays: 7, dedupeWindowMs: dayMs };

describe('periods', () => {
  test('begin on a Monday and last periodDays', () => {
    expect(periodOf(monday, 7)).toBe(monday / dayMs);
    expect(periodOf(monday - 1, 7)).toBe(monday / dayMs - 7);
    expect(periodOf(monday + 7 * dayMs - 1, 7)).toBe(monday / dayMs);
    expect(periodOf(0, 7)).toBe(-3);
  });

  test('an event far from a boundary needs no look around, whatever its id', () => {
    const file = filingAt(monday + 2 * dayMs, weekly);
    for (const id of ['order-1', Bun.randomUUIDv7('hex', 0), ulid(monday + 90 * dayMs)])
      expect(file(id)).toEqual({ period: monday / dayMs, lookAround: false, mayBeOvertaken: false });
  });

  test('just after a boundary an opaque id is looked for, one that carries its time is not', () => {
    const file = filingAt(monday + hourMs, weekly);
    expect(file('order-1').lookAround).toBe(true);
    expect(file(Bun.randomUUIDv7('hex', monday + hourMs)).lookAround).toBe(false);
    // Made before midnight: an earlier copy may have arrived then.
    expect(file(Bun.randomUUIDv7('hex', monday - hourMs)).lookAround).toBe(true);
  });
});

test('the time of an id is that of UUIDv7 and ULID, and of no other', () => {
  expect(timeOfId(Buffer.from(Bun.randomUUIDv7('hex', 1_763_800_000_123)))).toBe(1_763_800_000_123);
  expect(timeOfId(Buffer.from(ulid(1_763_800_000_123)))).toBe(1_763_800_000_123);
  expect(timeOfId(Buffer.from(crypto.randomUUID()))).toBeUndefined();
  expect(timeOfId(Buffer.from('order-1'))).toBeUndefined();
  expect(timeOfId(Buffer.from(''))).toBeUndefined();
});

/** The events table as far as identity goes: unique within a period, looked for elsewhere where the rules say so. */
class Model {
  #stored = new Map<string, number[]>();
  #newest = Number.NEGATIVE_INFINITY;

  constructor(readonly rules: PeriodRules) {}

  /** As apps/processor/store.ts does: true when the row is new. */
  store(id: string, arrivalMs: number): boolean {
    const { period, lookAround, mayBeOvertaken } = filingAt(arrivalMs, this.rules)(id);
    this.#newest = Math.max(this.#newest, period);
    const late = mayBeOvertaken && this.#newest > period;
    const looked = lookAround || late ? periodsAround(arrivalMs, arrivalMs, this.rules) : [];
    const stored = this.#stored.get(id) ?? [];
    if (stored.some((other) => other === period || looked.includes(other))) return false;
    this.#stored.set(id, [...stored, period]);
    return true;
  }
}

describe('an identity that arrives again within the window counts once', () => {
  const rules = fc.record({
    periodDays: fc.integer({ min: 1, max: 31 }),
    dedupeWindowMs: fc.integer({ min: 24, max: 720 }).map((hours) => hours * hourMs),
  });
  /** From far before to far after, boundaries and the window's own edges more often than chance would have them. */
  const shift = (max: number) =>
    fc.oneof(fc.constantFrom(0, 1, -1, max, -max), fc.integer({ min: -max, max }));
  const scene = rules.chain((chosen) => {
    const window = chosen.dedupeWindowMs;
    return fc.record({
      rules: fc.constant(chosen),
      nearBoundary: shift(2 * window),
      gapMs: fc.oneof(fc.constantFrom(1, window - 1, window), fc.integer({ min: 1, max: window })),
      idTime: fc.option(shift(4 * window), { nil: undefined }),
      kind: fc.constantFrom('uuid', 'ulid'),
      others: fc.array(shift(4 * window), { maxLength: 3 }),
    });
  });

  function check(inOrder: boolean) {
    return fc.property(scene, ({ rules: chosen, nearBoundary, gapMs, idTime, kind, others }) => {
      const boundary = periodOf(monday, chosen.periodDays) * dayMs;
      const first = boundary + nearBoundary;
      const ownMs = first + (idTime ?? 0);
      const id =
        idTime === undefined ? 'opaque' : kind === 'uuid' ? Bun.randomUUIDv7('hex', ownMs) : ulid(ownMs);
      const model = new Model(chosen);
      // Strangers open periods of their own beforehand.
      for (const other of others) model.store(`stranger ${other}`, first + other);
      const [one, two] = inOrder ? [first, first + gapMs] : [first + gapMs, first];
      expect(model.store(id, one)).toBe(true);
      expect(model.store(id, two)).toBe(false);
      // Another replay of either changes nothing.
      expect(model.store(id, one)).toBe(false);
    });
  }

  test('stored in the order of arrival', () => {
    fc.assert(check(true), { numRuns: 20_000 });
  });

  test('the later copy stored first: after a crash, a backlog or a stopped processor', () => {
    fc.assert(check(false), { numRuns: 20_000 });
  });
});
