import type { Sql } from '@usage/db/connection/connect.ts';
import { noteAttempt } from '@usage/db/notifications/channels.ts';
import {
  type DueDelivery,
  deliveryBacklog,
  failDeliveriesOfClosedChannels,
  noteDelivery,
  takeDueDeliveries,
} from '@usage/db/notifications/deliveries.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '@usage/lib/service/loop.ts';
import type { LimitsMetrics } from '../metrics.ts';
import { type SendOptions, send } from './send.ts';

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
/** After each failed attempt; a fifth more or less. The last is given up 27 hours or so after the first. */
export const retryAfterMs = [
  5 * secondMs,
  30 * secondMs,
  2 * minuteMs,
  10 * minuteMs,
  30 * minuteMs,
  hourMs,
  2 * hourMs,
  4 * hourMs,
  8 * hourMs,
  12 * hourMs,
];
const disableAfterHours = 72;
/** Then there is an alert. */
const failingHours = 1;
const pauseMs = 100;
/** Beyond the time that an attempt may take: then whoever took the delivery is gone, and another service sends it. */
const leaseMarginMs = 5 * secondMs;
const backlogEveryMs = 5_000;
/** Deliveries under way, in all and to one channel: a slow endpoint takes no more than its own. */
const inFlightMax = 64;
const perChannelMax = 4;

/**
 * Sends what is due. An endpoint gets each event at least once: whoever takes a delivery holds it for a while, and should it
 * die meanwhile another one sends it again, with the same webhook-id. Events of one channel may come in another order.
 */
export class Deliveries {
  readonly loop: Loop;
  readonly #inFlight = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #backlogMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly sql: Sql,
    readonly options: SendOptions,
    readonly metrics: LimitsMetrics,
    readonly log: Logger,
    readonly now: () => number = Date.now,
  ) {
    this.loop = new Loop('deliveries', log, () => this.#round());
  }

  /** Waits for the attempts that are under way. */
  async stop(): Promise<void> {
    await this.loop.stop();
    await Promise.all(this.#running);
  }

  async #round(): Promise<number> {
    if (performance.now() - this.#backlogMs > backlogEveryMs) {
      await failDeliveriesOfClosedChannels(this.sql);
      const { due, oldestSeconds, failing } = await deliveryBacklog(this.sql, failingHours);
      this.metrics.channelsFailing.set(failing);
      this.metrics.deliveriesDue.set(due);
      this.metrics.deliveryOldest.set(oldestSeconds);
      this.#backlogMs = performance.now();
    }
    const room = inFlightMax - this.#running.size;
    if (room <= 0) return pauseMs;
    const busy = [...this.#inFlight.keys()];
    const leaseMs = this.options.msMax + leaseMarginMs;
    const due = await takeDueDeliveries(this.sql, {
      rowsMax: room,
      perChannel: perChannelMax,
      busy,
      leaseMs,
    });
    for (const delivery of due) {
      const done = this.#deliver(delivery).finally(() => this.#running.delete(done));
      this.#running.add(done);
    }
    return due.length > 0 ? 0 : pauseMs;
  }

  async #deliver(delivery: DueDelivery): Promise<void> {
    const { channelId, tries } = delivery;
    this.#inFlight.set(channelId, (this.#inFlight.get(channelId) ?? 0) + 1);
    try {
      const attempt = await send(delivery, this.options);
      const succeeded = attempt.state === 'SUCCESS';
      this.metrics.attempts.inc({ outcome: succeeded ? 'success' : 'failure' });
      const wait = succeeded ? undefined : retryAfterMs[tries];
      const reason = succeeded ? '' : attempt.statusCode ? `status ${attempt.statusCode}` : attempt.body;
      await noteDelivery(this.sql, delivery, attempt, reason, wait && wait * (0.8 + Math.random() * 0.4));
      const at = new Date(this.now());
      if (await noteAttempt(this.sql, channelId, succeeded, at, disableAfterHours)) {
        this.metrics.channelsDisabled.inc();
        this.log.error({ channelId }, 'channel disabled: every attempt has failed for three days');
      }
    } catch (error) {
      this.log.warn({ err: error, channelId }, 'an attempt could not be noted: it is made again');
    } finally {
      const left = this.#inFlight.get(channelId)! - 1;
      if (left > 0) this.#inFlight.set(channelId, left);
      else this.#inFlight.delete(channelId);
    }
  }
}
