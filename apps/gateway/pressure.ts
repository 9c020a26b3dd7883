import type { Logger } from '@usage/lib/service/log.ts';
import type { ShardLook } from '@usage/lib/stream/shard.ts';
import { ShardGate, type ShardLimits } from './shardGate.ts';

export interface PressureLimits extends ShardLimits {
  pollMs: number;
  /** A shard whose clock is apart from the others' by more is refused. */
  clockSkewMsMax: number;
}

/** Looks at every shard of the stream; an Error where one does not answer. */
export type LookAtShards = () => Promise<(ShardLook | Error)[]>;

/** Asks a shard's Redis for its save points; undefined where it does not say. */
export type AskSavePoints = (shard: number) => Promise<string | undefined>;

/**
 * Watches each shard of the event stream: whether its Redis keeps what it acknowledges, and how full it is, so that events
 * are refused before Redis has to. Events are taken as long as one shard takes them.
 */
export class PressureGate {
  readonly #shards: ShardGate[] = [];
  #looks: (ShardLook | Error)[] = [];
  #timer: Timer | undefined;
  #stopped = false;
  #shardsWritten = 1;
  #open: number[] = [];
  #skewMs = 0;
  #polled: Promise<void> = Promise.resolve();
  readonly #looked = Promise.withResolvers<void>();

  constructor(
    readonly look: LookAtShards,
    readonly askSavePoints: AskSavePoints,
    readonly limits: PressureLimits,
    readonly log: Logger,
    readonly onWentBack: () => void = () => {},
  ) {}

  /** Why nothing can be taken now; undefined while a shard takes events. */
  get refusal(): string | undefined {
    if (this.#open.length > 0) return undefined;
    const [first, ...others] = this.#writable;
    if (!first) return 'the event stream has not been reached yet';
    const isSame = others.every(({ refusal }) => refusal === first.refusal);
    const reasons = isSame
      ? first.refusal
      : this.#writable.map(({ shard, refusal }) => `shard ${shard}: ${refusal}`).join('; ');
    return reasons ?? 'the event stream has not been reached yet';
  }

  /** The shards that take events. */
  get open(): readonly number[] {
    return this.#open;
  }

  /** Of the emptiest shard that answers, 1 = at its limit: none takes events from there on. */
  get fill(): number {
    const fills = this.#writable.flatMap(({ fill }) => fill ?? []);
    return fills.length === 0 ? 0 : Math.min(...fills);
  }

  /** Between the clocks of the shards that is furthest ahead and furthest behind. */
  get clockSkewMs(): number {
    return this.#skewMs;
  }

  /** How many shards events go to, the first ones. */
  get shardsWritten(): number {
    return this.#shardsWritten;
  }

  /** By shard: what the latest look saw. */
  get looks(): readonly (ShardLook | Error)[] {
    return this.#looks;
  }

  /** Resolves with the first look that succeeds. */
  get looked(): Promise<void> {
    return this.#looked.promise;
  }

  /** Frames go to the first so many shards from now on. */
  writeTo(shards: number): void {
    this.#shardsWritten = shards;
    this.#setOpen();
  }

  /** Looks once, then goes on by itself every pollMs. */
  async start(): Promise<void> {
    await this.poll();
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.limits.pollMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Redis has acknowledged a frame. */
  acknowledged({ shard, id }: { shard: number; id: string }): void {
    this.#shards[shard]?.acknowledged(id);
  }

  /** One look after another: a slow one must not undo what a later one has seen. */
  poll(): Promise<void> {
    const polled = this.#polled.then(() => this.#poll());
    this.#polled = polled;
    return polled;
  }

  async #poll(): Promise<void> {
    for (const shard of this.#shards) shard.beginLook();
    this.#looks = await this.look();
    const usual = usualClock(this.#looks);
    this.#skewMs = skewOf(this.#looks);
    await Promise.all(
      this.#looks.map(async (look, shard) => {
        const gate = this.#gate(shard);
        const apartMs = look instanceof Error ? 0 : look.clockAheadMs - usual;
        await gate.judge(look, Math.abs(apartMs) > this.limits.clockSkewMsMax ? apartMs : 0);
      }),
    );
    this.#setOpen();
    if (this.#looks.some((look) => !(look instanceof Error))) this.#looked.resolve();
  }

  #gate(shard: number): ShardGate {
    const ask = () => this.askSavePoints(shard);
    this.#shards[shard] ??= new ShardGate(shard, this.limits, ask, this.log, this.onWentBack);
    return this.#shards[shard];
  }

  get #writable(): ShardGate[] {
    return this.#shards.slice(0, this.#shardsWritten);
  }

  #setOpen(): void {
    this.#open = this.#writable.flatMap(({ shard, refusal }) => (refusal === undefined ? [shard] : []));
  }
}

/**
 * Of two or more shards: the median of how far their clocks are ahead of this process' own; of an even number the earlier one of
 * the two in the middle, for a clock that is ahead does the harm: ids stay ahead for as long.
 */
function usualClock(looks: readonly (ShardLook | Error)[]): number {
  const ahead = clocksOf(looks).sort((a, b) => a - b);
  return ahead[Math.ceil(ahead.length / 2) - 1] ?? 0;
}

function skewOf(looks: readonly (ShardLook | Error)[]): number {
  const ahead = clocksOf(looks);
  return ahead.length < 2 ? 0 : Math.max(...ahead) - Math.min(...ahead);
}

function clocksOf(looks: readonly (ShardLook | Error)[]): number[] {
  return looks.flatMap((look) => (look instanceof Error ? [] : look.clockAheadMs));
}
