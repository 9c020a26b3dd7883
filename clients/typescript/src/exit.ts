export interface ProcessLike {
  on?(event: string, listener: () => void): void;
  off?(event: string, listener: () => void): void;
  kill?(pid: number, signal: string): void;
  pid?: number;
}

/** undefined where the runtime has none. */
export const ownProcess = (globalThis as { process?: ProcessLike }).process;

/** What is to be done before the process ends by itself: of the clients that hold something. */
const waiting = new Set<() => void>();
const onExit = () => {
  for (const flush of waiting) flush();
};

/**
 * Calls `flush` before the process ends by itself, or no more. One listener for all: a client that holds nothing is known to nobody, and
 * may be forgotten, as those of single requests on edge runtimes are.
 */
export function flushAtExit(flush: () => void, isNeeded: boolean): void {
  if (isNeeded === waiting.has(flush)) return;
  if (isNeeded) waiting.add(flush);
  else waiting.delete(flush);
  if (isNeeded && waiting.size === 1) ownProcess?.on?.('beforeExit', onExit);
  if (waiting.size === 0) ownProcess?.off?.('beforeExit', onExit);
}
