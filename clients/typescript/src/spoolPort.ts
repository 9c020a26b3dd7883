/** Events that went to disk together. */
export interface SpooledBatch {
  /** Names it. */
  name: string;
  /** Each as JSON. */
  texts: string[];
  /** When the first of them was tracked. */
  trackedMs: number;
}

/** Where events stay until the gateway has acknowledged them. */
export interface Spool {
  /** Writes an event to the open batch; false: there is no room, and nothing was written. */
  append(text: string): boolean;
  /** Ends the open batch and names it; undefined where it holds nothing. */
  seal(): string | undefined;
  /** The batch is acknowledged: forget it. */
  done(name: string): void;
  /** The batch isn't in memory any more: `next` gives it back. */
  defer(name: string): void;
  /** A batch that was deferred, or left by a process before; undefined while there is none. */
  next(): SpooledBatch | undefined;
  /** Events on disk that `next` will give. */
  readonly deferred: number;
  close(): void;
}
