import type { FramePart } from '@usage/lib/frame/encode.ts';
import { Problem } from '@usage/lib/http/problem.ts';

export interface FrameLimits {
  /** How long the first part of a frame waits for others while another frame is on its way. */
  lingerMs: number;
  frameBytesMax: number;
  frameEventsMax: number;
  /** Frames on their way to each shard at once. */
  appendsMax: number;
  /** JSON bytes held in this process, gathered or on their way. */
  queuedBytesMax: number;
}

/** Resolves once the frame is acknowledged. */
export type AppendFrame = (parts: readonly FramePart[], events: number) => Promise<unknown>;

/** Clients get room soon or not for long. */
const retrySeconds = 1;

/** No room for the part: nothing of it was kept. */
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
 * Gathers the events of concurrent requests into frames.
 *
 *   open ──full, or idle, or lingered──▶ waiting ──fewer than appendsMax on their way──▶ appending ──▶ settled
 *
 * A part that comes while nothing is on its way leaves at the end of the event loop's turn, together with what came
 * in the same turn. While a frame is on its way the next one gathers, and leaves when that one is settled or when it
 * has lingered: so the busier Redis is, the larger frames get.
 */
export class FrameBatcher {
  readonly #append: AppendFrame;
  readonly #limits: FrameLimits;
  /** Each may have as many frames on their way as `appendsMax` says. */
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
