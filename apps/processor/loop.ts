import type { Sql } from '@usage/db/connection/connect.ts';
import { totalOf, withAttempts } from '@usage/db/connection/deadline.ts';
import { insertDeadLetter } from '@usage/db/events/deadLetters.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { nextTurn, pauseUnless } from '@usage/lib/service/pause.ts';
import { entryMs, type StreamEntry } from '@usage/lib/stream/entry.ts';
import { Batch, contentOf, eventBytes, isSuspect } from './batch.ts';
import type { ProcessorConfig } from './config.ts';
import type { FrameConsumer, OutcomeMessage } from './frameConsumer.ts';
import { inOrderOfKeys } from './keyOrder.ts';
import type { ProcessorMetrics } from './metrics.ts';
import type { Prepared, Stored } from './prepared.ts';
import { answerMs, type Store } from './store.ts';

const blockMs = 500;
/** Between two looks for more frames. */
const gatherMs = 5;
const keepMs = 500;
const eventsPerFrameFirst = 1_000;
const bytesPerFrameFirst = 262_144;
const averageShare = 0.1;
const readFramesMax = 256;
/** Batches being stored at once: while one waits for its commit PostgreSQL takes the other's rows (a sixth faster). */
const storesMax = 2;
const retryMsMin = 50;
const retryMsMax = 2_000;
/** A loop in which nothing has ended for this long is stuck: no call takes longer. */
export const loopStallMsMax = totalOf(answerMs) + 15_000;

/**
 * Makes committed batches of frames, gathering one batch while it stores up to `storesMax` others:
 *
 * - gather: reads and unpacks frames until the batch is full (rows or bytes), or the database is idle and either a request waits
 *   for the batch or `batchWaitMsMax` is over. A frame that may have ended a processor (isSuspect) is a batch of its own.
 * - store: one transaction, or several where PostgreSQL refuses rows (store.ts). A transient error means the same batch again, after
 *   50 ms to 2 s. From the commit on the events are durable and counted exactly once; a crash before it leaves the frames for
 *   another processor to claim.
 * - ack: writes dead letters, answers the requests that wait, then acknowledges and deletes the frames. A crash before the end
 *   leaves frames to be read again: their rows are found, and only the rest of this step is done.
 *
 * On stop it gathers no further frames, stores and acks what it has gathered, and ends.
 */
export class Loop {
  #stopping = new AbortController();
  #lastSeenMs = performance.now();
  /** By step: one step that works again says nothing about another. */
  #faults = new Map<string, string>();
  /** Running averages: how many frames to ask for, so that a batch is not much larger than it should be. */
  #eventsPerFrame = eventsPerFrameFirst;
  #bytesPerFrame = bytesPerFrameFirst;
  #done: Promise<void> = Promise.resolve();
  /** Frames that the previous batch had no room for; this processor holds them already. */
  #left: StreamEntry[] = [];
  /** Acknowledged batches, to be filled again: their buffers are kept. */
  #idle: Batch[] = [];

  constructor(
    readonly config: Pick<ProcessorConfig, 'batchRowsMax' | 'batchBytesMax' | 'batchWaitMsMax'>,
    readonly source: FrameConsumer,
    readonly store: Store,
    readonly sql: Sql,
    readonly metrics: ProcessorMetrics,
    readonly log: Logger,
    readonly outcomeMessages: (batch: Batch, outcome: Stored) => OutcomeMessage[],
  ) {
    store.onProgress = () => {
      this.#lastSeenMs = performance.now();
    };
  }

  start(): void {
    const keeping = setInterval(() => this.source.beat().catch(() => {}), keepMs);
    this.#done = this.#run().finally(() => clearInterval(keeping));
  }

  /** Stores what has been gathered, then ends. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  /** Why no work is being done now; undefined while all is well. */
  get fault(): string | undefined {
    return [...this.#faults.values()].join('; ') || undefined;
  }

  get stuck(): string | undefined {
    const stalledMs = performance.now() - this.#lastSeenMs;
    return stalledMs > loopStallMsMax
      ? `the loop has stalled for ${Math.round(stalledMs / 1000)} s`
      : undefined;
  }

  async #run(): Promise<void> {
    const storing = new Set<Promise<void>>();
    while (!this.#stopping.signal.aborted) {
      // A frame that may end this process takes no other one with it.
      if (this.#left[0] && isSuspect(this.#left[0])) await Promise.all(storing);
      const batch = await this.#gather(() => storing.size === 0);
      if (batch.empty) {
        this.#idle.push(batch);
        continue;
      }
      failPoint('read');
      const prepared = await this.#retrying('prepare', () =>
        this.store.prepare(inOrderOfKeys(batch.rows), batch.copy),
      );
      if (!prepared) break;
      while (storing.size >= storesMax) await Promise.race(storing);
      const stored = this.#storeAndAck(batch, prepared).finally(() => storing.delete(stored));
      storing.add(stored);
      if (batch.isSuspect) await stored;
    }
    await Promise.all(storing);
  }

  async #gather(databaseIdle: () => boolean): Promise<Batch> {
    const { batchRowsMax, batchBytesMax, batchWaitMsMax } = this.config;
    const isFull = () =>
      batch.isSuspect ||
      batch.rows.length + batch.rejected.length >= batchRowsMax ||
      batch.frames.length >= batchRowsMax ||
      batch.bytes >= batchBytesMax;
    const batch = this.#idle.pop() ?? new Batch();
    batch.clear();
    const waitedMs = () => performance.now() - batch.startedMs;
    let wasStreamEmpty = false;
    await this.#add(this.#left.splice(0), batch, isFull, databaseIdle);
    while (!this.#stopping.signal.aborted && !isFull() && this.#left.length === 0) {
      if (!batch.empty && databaseIdle() && (batch.isAwaited || waitedMs() >= batchWaitMsMax)) break;
      // Not BLOCK: that would come back with every single frame.
      if (!batch.empty && wasStreamEmpty) await pauseUnless(this.#stopping.signal, gatherMs);
      const byRows = (batchRowsMax - batch.rows.length) / this.#eventsPerFrame;
      const byBytes = (batchBytesMax - batch.bytes) / this.#bytesPerFrame;
      const asked = Math.max(1, Math.min(readFramesMax, Math.ceil(Math.min(byRows, byBytes))));
      const frames = await this.#retrying('read', () => this.source.read(asked, batch.empty ? blockMs : 0));
      if (!frames) break;
      wasStreamEmpty = frames.isDrained;
      this.metrics.claimed.inc(frames.claimed.length);
      if (frames.claimed.length > 0) await this.#retrying('claim', () => this.store.terminateStalled());
      await this.#add([...frames.claimed, ...frames.fresh], batch, isFull, databaseIdle);
    }
    return batch;
  }

  /** What the batch has no room for is left for the next one. */
  async #add(
    entries: StreamEntry[],
    batch: Batch,
    isFull: () => boolean,
    databaseIdle: () => boolean,
  ): Promise<void> {
    for (const [n, entry] of entries.entries()) {
      const mustWait = isSuspect(entry) && !(batch.empty && databaseIdle());
      if (isFull() || mustWait) {
        this.#left.push(...entries.slice(n));
        return;
      }
      const bytesBefore = batch.bytes;
      batch.add(entry);
      this.#eventsPerFrame += (Math.max(1, entry.events) - this.#eventsPerFrame) * averageShare;
      this.#bytesPerFrame += (Math.max(1, batch.bytes - bytesBefore) - this.#bytesPerFrame) * averageShare;
      if (!databaseIdle()) await nextTurn();
    }
  }

  async #storeAndAck(batch: Batch, prepared: Prepared): Promise<void> {
    const startedMs = performance.now();
    const outcome = await this.#retrying('store', () => this.store.store(prepared));
    if (!outcome) return;
    failPoint('after-commit');
    const storedMs = Date.now();
    for (const frame of batch.frames)
      this.metrics.commitSeconds.observe(Math.max(0, storedMs - entryMs(frame.id)) / 1_000);
    this.metrics.batchSeconds.observe((performance.now() - startedMs) / 1_000);
    this.metrics.batchRows.observe(batch.rows.length);
    this.metrics.stored.inc(outcome.stored);
    this.metrics.duplicates.inc(outcome.duplicates.length);

    await this.#retrying('ack', async () => {
      await this.#writeDeadLetters(batch, outcome);
      await this.source.ack(batch.frames, this.outcomeMessages(batch, outcome));
    });
    failPoint('after-ack');
    this.#idle.push(batch);
    this.log.debug(
      { events: outcome.stored, duplicates: outcome.duplicates.length, frames: batch.frames.length },
      'batch stored',
    );
  }

  async #writeDeadLetters(batch: Batch, outcome: Stored): Promise<void> {
    for (const { row, reason } of outcome.refused) {
      const { frame, position, backfill } = row;
      batch.rejected.push({
        kind: 'event',
        namespace: contentOf(row).namespace,
        backfill,
        reason,
        frameId: frame.ref,
        position,
        payload: eventBytes(row),
      });
    }
    outcome.refused = [];
    for (; batch.deadLettersWritten < batch.rejected.length; batch.deadLettersWritten++) {
      const letter = batch.rejected[batch.deadLettersWritten]!;
      await withAttempts(this.sql, answerMs, () => insertDeadLetter(this.sql, letter));
      this.#lastSeenMs = performance.now();
      this.metrics.dead.inc({ kind: letter.kind });
      this.log.error(
        { frame: letter.frameId, position: letter.position, reason: letter.reason },
        'dead letter',
      );
    }
  }

  /** Tries until it succeeds, with growing, jittered pauses; undefined when the app is being stopped meanwhile. */
  async #retrying<T>(step: string, attempt: () => Promise<T>): Promise<T | undefined> {
    for (let tries = 0; ; tries++) {
      try {
        const result = await attempt();
        this.#faults.delete(step);
        this.#lastSeenMs = performance.now();
        this.metrics.lastLoop.setToCurrentTime();
        return result;
      } catch (error) {
        const code = String((error as { code?: unknown }).code ?? (error as Error).name);
        this.#faults.set(step, `${step}: ${(error as Error).message}`);
        this.#lastSeenMs = performance.now();
        this.metrics.lastLoop.setToCurrentTime();
        this.metrics.retries.inc({ code });
        this.log.warn({ err: error, step, tries }, 'trying again');
        if (this.#stopping.signal.aborted) return undefined;
        await pauseUnless(
          this.#stopping.signal,
          Math.min(retryMsMin * 2 ** tries, retryMsMax) * (0.5 + Math.random() / 2),
        );
      }
    }
  }
}
