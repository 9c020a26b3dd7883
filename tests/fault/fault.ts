import type { Load } from './load.ts';
import type { Random } from './random.ts';
import type { Stack } from './stack.ts';
import type { AppName, StackOptions } from './stackOptions.ts';

/** What a fault has in its hands while load runs. */
export interface Arena {
  stack: Stack;
  load: Load;
  random: Random;
  /** Of this round's events. */
  type: string;
  /** The clock of ids that carry their own time: moved with the stream's. */
  streamClock: { aheadMs: number };
  /** Long faults (a lock of 30 s, a minute away) are shortened in quick runs. */
  quick: boolean;
  /** A random while. */
  pause(msMin: number, msMax: number): Promise<void>;
  /** A promise of the system was broken: a sentence for the report. */
  broken(sentence: string): void;
  /** So many accepted events the fault itself takes away by definition (FLUSHALL): that many may be lost, not more. */
  mayLose(events: number): void;
  /** Something worth telling that breaks no promise. */
  note(sentence: string): void;
}

export interface Fault {
  name: string;
  about: string;
  /** How often it strikes in a round, at most; 3 where undefined. */
  strikesMax?: number;
  /** Every app ends in order: no request that was taken goes unanswered, no frame that was stored comes again. */
  orderly?: true;
  /** Apps beyond the usual four, with settings of their own. */
  beside?: Partial<Record<AppName, Record<string, string>>>;
  /** A stack of its own kind; rounds of faults without it share one. */
  stack?: StackOptions | (() => Promise<StackOptions>);
  /** Sets the scene, before the first strike. */
  before?(arena: Arena): Promise<void>;
  /** One stroke. When it resolves, what was broken is whole again as far as an operator would care for it. */
  strike(arena: Arena, number: number): Promise<void>;
  /** After recovery, before the reconciliation is closed. */
  after?(arena: Arena): Promise<void>;
  /** Why it can't be run on this machine. */
  skip?(): Promise<string | undefined>;
}
