import type { UsageEvent } from './event.ts';
import { askAgain, type Requester, UsageRequestError } from './request.ts';
import { uuidV7 } from './uuid.ts';

export interface ReservationRequest {
  /** A feature that a meter measures. */
  featureKey: string;
  /** How much is wanted; a text where a number can't hold it. */
  amount: number | string;
  /** Names this piece of work: the same one again gets the reservation that is there. By default a UUIDv7. */
  lockId?: string;
  /** After which the hold frees itself; 60 by default. */
  expiresInSeconds?: number;
  /** reject (the default): all or nothing; cap: what is left. */
  onOverage?: 'reject' | 'cap';
}

/** Not enough is left. */
export class LimitReachedError extends UsageRequestError {
  override name = 'LimitReachedError';

  /** What is left, every digit of it. */
  get available(): string {
    return String(this.extensions.available ?? 0);
  }
}

export interface ReservationState {
  id: string;
  lockId: string;
  state: 'held' | 'committed' | 'reported' | 'released' | 'expired';
  requested: number;
  /** Held; less than requested where it was capped. After the commit: used. */
  amount: number;
  createdAt: string;
  expiresAt: string;
}

/** Takes an event, waiting for room where there is none; answers with its source and id. */
export type TrackReported = (event: UsageEvent) => Promise<{ source: string; id: string }>;

/** An amount that is held until it is committed, released or expires. */
export class Reservation {
  constructor(
    readonly state: ReservationState,
    private readonly requester: Requester,
    private readonly track: TrackReported,
  ) {}

  get id(): string {
    return this.state.id;
  }

  get amount(): number {
    return this.state.amount;
  }

  /**
   * The work is done: tracks the event that reports the usage, and commits the amount that was used (by default what is held) under
   * its name, so that it counts once, before and after the event is stored. Where the commit fails the event is sent all the same, and
   * the hold ends by itself.
   */
  async commit(event: UsageEvent, amount?: number | string): Promise<ReservationState> {
    const name = await this.track(event);
    return await this.#finish('commit', { event: name, ...(amount === undefined ? {} : { amount }) });
  }

  /** Nothing was used. */
  async release(): Promise<ReservationState> {
    return await this.#finish('release', {});
  }

  async #finish(what: 'commit' | 'release', body: object): Promise<ReservationState> {
    const path = `/api/v1/reservations/${encodeURIComponent(this.id)}/${what}`;
    const response = await askAgain(this.requester, 'POST', path, what === 'commit' ? body : undefined);
    return (await response.json()) as ReservationState;
  }
}

/**
 * Holds an amount of a feature for a customer (its id or key, or a subject). Sent again under the same lockId while the gateway is away.
 * Throws a LimitReachedError where not enough is left, a UsageRequestError for anything else.
 */
export async function reserve(
  requester: Requester,
  customer: string,
  request: ReservationRequest,
  track: TrackReported,
): Promise<Reservation> {
  const path = `/api/v1/customers/${encodeURIComponent(customer)}/reservations`;
  const body = { ...request, lockId: request.lockId ?? uuidV7() };
  try {
    const response = await askAgain(requester, 'POST', path, body);
    return new Reservation((await response.json()) as ReservationState, requester, track);
  } catch (error) {
    if (!(error instanceof UsageRequestError) || error.extensions.reason !== 'usage_limit_reached')
      throw error;
    throw new LimitReachedError(error.message, error.status, error.retryAfterSeconds, error.extensions);
  }
}
