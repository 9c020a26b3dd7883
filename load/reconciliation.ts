import { countBooks, countDeltas } from './sql/reconciliation.ts';
import type { Stack } from './stack.ts';

/** Events by what has become of them, since the reconciliation was opened. */
export interface Reconciliation {
  accepted: number;
  stored: number;
  duplicates: number;
  deadLetters: number;
}

export class ReconciliationError extends Error {
  override name = 'ReconciliationError';
}

/** Near the end; looking so often while much waits would take a twentieth of a processor from those it waits for. */
const pollMsMin = 20;
const pollMsMax = 250;
const framesNearTheEnd = 200;
/** Nothing has moved for so long: it never will. */
const standstillMsMax = 60_000;

/** Counts every event from here to `close`, which throws when one is missing or too many. */
export class OpenReconciliation {
  private constructor(
    readonly stack: Stack,
    readonly before: Reconciliation,
  ) {}

  static async open(stack: Stack): Promise<OpenReconciliation> {
    return new OpenReconciliation(stack, await countEvents(stack));
  }

  /**
   * Waits until every accepted event is committed and rolled up. Resolves to that moment, ms since 1970.
   * `onWait` hears how many events are not stored, and how many deltas not merged yet.
   */
  async settled(onWait: (eventsWaiting: number, deltasWaiting: number) => void = () => {}): Promise<number> {
    let last = '';
    let movedMs = performance.now();
    for (;;) {
      const { eventsWaiting, frames } = await this.stack.stream.position();
      const deltas = await countDeltas(this.stack.sql);
      if (frames === 0 && deltas === 0) return Date.now();
      onWait(eventsWaiting, deltas);
      const state = `${eventsWaiting} events, ${frames} frames and ${deltas} deltas wait`;
      if (state !== last) movedMs = performance.now();
      last = state;
      if (performance.now() - movedMs > standstillMsMax) {
        throw new ReconciliationError(`Nothing has moved for ${standstillMsMax / 1_000} s: ${state}.`);
      }
      await Bun.sleep(frames > framesNearTheEnd ? pollMsMax : pollMsMin);
    }
  }

  /** `answered` = events of requests that were answered with 2xx, where somebody counted them. */
  async close(answered?: number): Promise<Reconciliation> {
    const now = await countEvents(this.stack);
    const reconciliation: Reconciliation = {
      accepted: now.accepted - this.before.accepted,
      stored: now.stored - this.before.stored,
      duplicates: now.duplicates - this.before.duplicates,
      deadLetters: now.deadLetters - this.before.deadLetters,
    };
    const { accepted, stored, duplicates, deadLetters } = reconciliation;
    const missing = accepted - stored - duplicates - deadLetters;
    if (missing !== 0) {
      throw new ReconciliationError(
        `THE BOOKS DON'T BALANCE: of ${accepted} accepted events ${stored} are stored, ${duplicates} were duplicates, ${deadLetters} are dead letters: ${missing} ${missing > 0 ? 'are missing' : 'too many'}.`,
      );
    }
    if (answered !== undefined && answered !== accepted) {
      throw new ReconciliationError(
        `THE BOOKS DON'T BALANCE: clients were told that ${answered} events are kept, the stream has taken ${accepted}.`,
      );
    }
    return reconciliation;
  }
}

async function countEvents({ redis, sql, stream }: Stack): Promise<Reconciliation> {
  const accepted = Number((await redis.get(`{${stream.name}}:accepted`)) ?? 0);
  const counts = await countBooks(sql);
  if (counts.dead_frames > 0) {
    throw new ReconciliationError(`${counts.dead_frames} frames could not be decoded: see the dead letters.`);
  }
  return {
    accepted,
    stored: counts.stored,
    duplicates: counts.duplicates,
    deadLetters: counts.dead_events,
  };
}
