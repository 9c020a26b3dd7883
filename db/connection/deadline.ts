import { abandonConnections, type Sql } from './connect.ts';

/** PostgreSQL gave no answer within the deadline. What was asked may have been done: asking again must be harmless. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
  static readonly code = 'NO_ANSWER';
  readonly code = NoAnswer.code;

  constructor(msMax: number) {
    super(`PostgreSQL has not answered for ${Math.round(msMax)} ms`);
  }
}

/**
 * Resolves and rejects as `run` does; with NoAnswer after `msMax`, every connection of the pool given up. The driver has no
 * limit of its own, and a network that swallows packets never closes a connection.
 */
export async function withDeadline<T>(sql: Sql, msMax: number, run: () => Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let givenUp: Promise<void> | undefined;
  const timer = setTimeout(() => {
    givenUp = abandonConnections(sql);
    reject(new NoAnswer(msMax));
  }, msMax);
  try {
    const running = run();
    running.catch(() => {}); // after the deadline nobody waits for it
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
    await givenUp;
  }
}

/**
 * Calls `run` once for each deadline until it answers within one. The first deadline is short, so that a dead connection is
 * noticed soon; the last is as long as a slow disk may take. It retries nothing but NoAnswer: every other error is thrown to the
 * caller at once. In total it takes the sum of the deadlines (totalOf). No attempt begins once `isStopping`.
 */
export async function withAttempts<T>(
  sql: Sql,
  deadlinesMs: readonly number[],
  run: () => Promise<T>,
  isStopping: () => boolean = () => false,
): Promise<T> {
  for (const [attempt, msMax] of deadlinesMs.entries()) {
    try {
      return await withDeadline(sql, msMax, run);
    } catch (error) {
      if (!(error instanceof NoAnswer) || attempt === deadlinesMs.length - 1 || isStopping()) throw error;
    }
  }
  throw new Error('there is no deadline to try with');
}

/** What calls of withAttempts take at most, in ms. */
export function totalOf(deadlinesMs: readonly number[]): number {
  return deadlinesMs.reduce((sum, ms) => sum + ms, 0);
}
