import { eventText, type UsageEvent } from './event.ts';
import { flushAtExit, ownProcess } from './exit.ts';
import { type ClientLimits, type ClientOptions, type CloseOutcome, limitsOf } from './options.ts';
import { type MeterQuery, type MeterUsage, queryMeter } from './query.ts';
import type { Requester } from './request.ts';
import { type Reservation, type ReservationRequest, reserve } from './reservations.ts';
import { type Batch, Sender } from './sender.ts';
import { uuidV7 } from './uuid.ts';

/**
 * Sends usage events in batches, each until the gateway has it. An event's way: `track` takes it into the open batch (and,
 * with a spool, writes it to disk); a batch that is full, or `lingerMs` old, is ready; ready batches are sent, a few at
 * once, and retried with the same ids; what the gateway acknowledged is forgotten.
 */
export class UsageClient {
  readonly #limits: ClientLimits;
  readonly #sender: Sender;
  readonly #stop = new AbortController();
  #texts: string[] = [];
  #chars = 0;
  #openedMs = 0;
  #ready: Batch[] = [];
  /** In memory: open, ready and on their way. */
  #held = 0;
  #inFlight = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** The spool had no room for the last event. */
  #isDiskFull = false;
  #hasFlushedAtExit = false;
  /** Called after each batch that was acknowledged. */
  readonly #listeners = new Set<() => void>();
  readonly #onExit = () => void this.#flushAtExit();

  constructor(readonly options: ClientOptions) {
    this.#limits = limitsOf(options);
    this.#sender = new Sender(options, this.#limits);
    if (options.closeOnSignals) for (const name of ['SIGINT', 'SIGTERM']) this.#closeOn(name);
    this.#pump();
    this.#watchExit();
  }

  /**
   * Takes an event. True: it will be sent (with a spool, even by the next process should this one be killed). False: it was
   * not taken, since the buffer is full: the gateway is away, or slower than the events come. Wait for `room()` and track it
   * again, or leave it. Throws a TypeError for what is no event, an Error when the client is closed.
   */
  track(event: UsageEvent): boolean {
    if (this.#isClosed) throw new Error('the client is closed');
    const { spool, source } = this.options;
    if (!spool && this.#held >= this.#limits.bufferEventsMax) return false;
    const text = eventText(event, source);
    this.#isDiskFull = spool !== undefined && !this.#spooled(text);
    if (this.#isDiskFull) return false;
    if (this.#texts.length > 0 && this.#chars + text.length > this.#limits.batchCharsMax && !spool)
      this.#seal();
    if (this.#texts.length === 0) this.#openedMs = Date.now();
    this.#texts.push(text);
    this.#chars += text.length;
    if (this.#held++ === 0) this.#watchExit();
    if (this.#texts.length >= this.#limits.batchEventsMax || this.#chars >= this.#limits.batchCharsMax)
      this.#seal();
    else this.#timer ??= this.#lingering();
    return true;
  }

  /** Resolves as soon as `track` takes events again. */
  async room(): Promise<void> {
    while (this.#isFull() && !this.#isClosed) await this.#changed();
  }

  /** Events that were taken and are not acknowledged, those in memory. */
  get pending(): number {
    return this.#held;
  }

  /** Resolves once every event that was taken so far is acknowledged or refused (or the client is closed). */
  async flush(): Promise<void> {
    this.#seal();
    while ((this.#held > 0 || this.#hasDeferred()) && !this.#stop.signal.aborted) await this.#changed();
  }

  /** What a meter measured. Throws a UsageRequestError. */
  query<Group extends string = string>(
    meter: string,
    query: MeterQuery<Group> = {},
  ): Promise<MeterUsage<Group>> {
    return queryMeter(this.#requester, meter, query);
  }

  /**
   * Holds an amount of a feature before the work; `commit` of what it answers with reports what was used. Throws a LimitReachedError
   * where not enough is left, a UsageRequestError for anything else.
   */
  reserve(customer: string, request: ReservationRequest): Promise<Reservation> {
    return reserve(this.#requester, customer, request, async (event) => {
      const named = { ...event, id: event.id ?? uuidV7(), source: event.source ?? this.options.source };
      while (!this.track(named)) await this.room();
      return { source: named.source, id: named.id };
    });
  }

  /** Takes nothing more, sends what it has within `msMax` and ends. */
  async close({ msMax = this.#limits.exitMsMax }: { msMax?: number } = {}): Promise<CloseOutcome> {
    this.#isClosed = true;
    await this.#flushWithin(msMax);
    this.#watchExit();
    this.#stop.abort();
    this.#announce();
    this.options.spool?.close();
    return { unsent: this.#held };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #requester(): Requester {
    const { url, apiKey } = this.options;
    const { requestMsMax, retryForMsMax } = this.#limits;
    return { url, apiKey, requestMsMax, retryForMsMax, fetch: this.options.fetch ?? fetch };
  }

  #isFull(): boolean {
    if (!this.options.spool) return this.#held >= this.#limits.bufferEventsMax;
    return this.#isDiskFull && (this.#held > 0 || this.#hasDeferred());
  }

  /** A disk that refuses is a reason to say no, and no end of the program. */
  #spooled(text: string): boolean {
    try {
      return this.options.spool!.append(text);
    } catch (error) {
      this.options.onError?.(error as Error);
      return false;
    }
  }

  #lingering(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => this.#seal(), this.#limits.lingerMs);
    (timer as { unref?: () => void }).unref?.();
    return timer;
  }

  /** Ends the open batch. With a spool one that memory has no room for stays on disk alone. */
  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#texts.length === 0) return;
    const { spool } = this.options;
    const name = spool?.seal();
    if (spool && name !== undefined && this.#held > this.#limits.bufferEventsMax) {
      spool.defer(name);
      this.#held -= this.#texts.length;
    } else this.#ready.push({ texts: this.#texts, trackedMs: this.#openedMs, name });
    this.#texts = [];
    this.#chars = 0;
    this.#pump();
  }

  #watchExit(): void {
    flushAtExit(this.#onExit, !this.#isClosed && (this.#held > 0 || this.#hasDeferred()));
  }

  #pump(): void {
    while (this.#inFlight < this.#limits.requestsInFlightMax && !this.#stop.signal.aborted) {
      const batch = this.#ready.shift() ?? this.#deferred();
      if (!batch) return;
      this.#inFlight++;
      void this.#sendBatch(batch);
    }
  }

  async #sendBatch(batch: Batch): Promise<void> {
    const count = batch.texts.length;
    const isDone = await this.#sender.send(batch, this.#stop.signal);
    this.#inFlight--;
    if (isDone) {
      if (batch.name !== undefined) this.options.spool?.done(batch.name);
      this.#held -= count;
      this.#isDiskFull = false;
      this.#announce();
    }
    this.#pump();
    this.#watchExit();
  }

  #deferred(): Batch | undefined {
    const batch = this.options.spool?.next();
    if (batch) this.#held += batch.texts.length;
    return batch;
  }

  #hasDeferred(): boolean {
    return (this.options.spool?.deferred ?? 0) > 0;
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#listeners.add(resolve));
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** The timer keeps the process alive meanwhile. */
  async #flushWithin(msMax: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, msMax);
    });
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
  }

  /** Once: what can't be sent within the time doesn't keep the process alive for ever. */
  async #flushAtExit(): Promise<void> {
    if (this.#hasFlushedAtExit || (this.#held === 0 && !this.#hasDeferred())) return;
    this.#hasFlushedAtExit = true;
    await this.#flushWithin(this.#limits.exitMsMax);
    this.#hasFlushedAtExit = this.#held > 0;
  }

  #closeOn(name: string): void {
    const { pid } = ownProcess ?? {};
    const listener = async () => {
      ownProcess?.off?.(name, listener);
      await this.close();
      if (pid !== undefined) ownProcess?.kill?.(pid, name);
    };
    ownProcess?.on?.(name, listener);
  }
}
