import type { FramePart } from '@usage/lib/frame/encode.ts';
import { Problem } from '@usage/lib/http/problem.ts';

export interface FrameLimits {
  /** How long a frame takes parts while another frame is being appended. */
  lingerMs: number;
  frameBytesMax: number;
  frameEventsMax: number;
  /** Appends to each shard at once. */
  appendsMax: number;
  /** JSON bytes of all frames that Redis has not acknowledged. */
  queuedBytesMax: number;
}

/** Resolves once the frame is acknowledged. */
export type AppendFrame = (parts: readonly FramePart[], events: number) => Promise<unknown>;

/** Frames leave within milliseconds, or Redis is away: both make a longer wait useless. */
const retrySeconds = 1;

/** There is no room for the part. Nothing of it was kept. */
export class QueueFull extends Problem {
  constructor(queuedBytesMax: number) {
    const detail = `No events are taken now: more than ${queuedBytesMax} bytes are waiting for Redis.`;
    super('unavailable', detail, { headers: { 'Retry-After': String(retrySeconds) } });
    this.name = 'QueueFull';
  }
}

interface Frame {
  parts: FramePart[];
  bytes: number;
  events: number;
  openedMs: number;
  acknowledged: PromiseWithResolvers<void>;
}

/**
 * Gathers the events of concurrent requests into frames. A frame is always in one of these states:
 *
 *   open ──▶ waiting ──▶ appending ──▶ acknowledged, or failed
 *
 * - open: takes parts; at most one frame is. It closes when it is full (`frameBytesMax`, `frameEventsMax`), when it is `lingerMs`
 *   old, when an append ends and no other frame waits, or, where no append is under way, at the end of the event loop's turn.
 * - waiting: closed, while `appendsMax` frames of each shard are being appended. The oldest goes first.
 * - appending: sent to Redis. Its requests get their answer when Redis answers, or an error when the append fails.
 *
 * So a request on an idle gateway waits for nothing, and the busier Redis is, the larger frames get. All states together hold
 * `queuedBytesMax` at most; a part beyond that is refused at once with QueueFull, and nothing of it is kept.
 */
export class FrameBatcher {
  readonly #append: AppendFrame;
  readonly #limits: FrameLimits;
  /** `appendsMax` holds for each. */
  shards = 1;
  #open: Frame | undefined;
  #waiting: Frame[] = [];
  #appending = 0;
  #queuedBytes = 0;
  #turnEnd: NodeJS.Immediate | undefined;
  #linger: Timer | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(append: AppendFrame, limits: FrameLimits) {
    this.#append = append;
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get appending(): number {
    return this.#appending;
  }

  /**
   * Resolves when the frame that holds the part was acknowledged; rejects with what its append rejected with, or with
   * QueueFull at once. `bytes` is the length of the part's JSON.
   */
  add(part: FramePart, bytes: number): Promise<void> {
    const { queuedBytesMax, frameBytesMax, frameEventsMax } = this.#limits;
    if (this.#queuedBytes + bytes > queuedBytesMax) {
      return Promise.reject(new QueueFull(queuedBytesMax));
    }
    this.#queuedBytes += bytes;
    let frame = this.#open;
    if (frame && (frame.bytes + bytes > frameBytesMax || frame.events + part.count > frameEventsMax)) {
      this.#closeOpen();
      frame = undefined;
    }
    frame ??= this.#openFrame();
    frame.parts.push(part);
    frame.bytes += bytes;
    frame.events += part.count;
    if (frame.bytes >= frameBytesMax || frame.events >= frameEventsMax) this.#closeOpen();
    return frame.acknowledged.promise;
  }

  /** Resolves when nothing is gathered or on its way any more. */
  drain(): Promise<void> {
    this.#closeOpen();
    if (this.#queuedBytes === 0 && this.#appending === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }

  #openFrame(): Frame {
    const acknowledged = Promise.withResolvers<void>();
    const frame = { parts: [], bytes: 0, events: 0, openedMs: performance.now(), acknowledged };
    this.#open = frame;
    if (this.#appending === 0) this.#turnEnd ??= setImmediate(this.#closeAtTurnEnd);
    else this.#linger ??= setTimeout(this.#closeLingered, this.#limits.lingerMs);
    return frame;
  }

  #closeAtTurnEnd = () => {
    this.#turnEnd = undefined;
    this.#closeOpen();
  };

  #closeLingered = () => {
    this.#linger = undefined;
    if (!this.#open) return;
    const restMs = this.#open.openedMs + this.#limits.lingerMs - performance.now();
    if (restMs <= 0) this.#closeOpen();
    else this.#linger = setTimeout(this.#closeLingered, restMs);
  };

  #closeOpen(): void {
    if (!this.#open) return;
    this.#waiting.push(this.#open);
    this.#open = undefined;
    this.#startAppends();
  }

  #startAppends(): void {
    while (this.#appending < this.#limits.appendsMax * this.shards) {
      const frame = this.#waiting.shift();
      if (!frame) return;
      this.#appending++;
      void this.#appendAndSettle(frame);
    }
  }

  async #appendAndSettle(frame: Frame): Promise<void> {
    try {
      await this.#append(frame.parts, frame.events);
      frame.acknowledged.resolve();
    } catch (error) {
      frame.acknowledged.reject(error);
    }
    this.#appending--;
    this.#queuedBytes -= frame.bytes;
    this.#startAppends();
    if (this.#waiting.length === 0) this.#closeOpen();
    if (this.#queuedBytes === 0 && this.#appending === 0) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
  }
}
