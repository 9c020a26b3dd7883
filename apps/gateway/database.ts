import { isTemporary } from '@usage/db/connection/sqlStates.ts';
import { MeterRegistryBusy } from '@usage/db/meters/registryLock.ts';
import { unavailable } from '@usage/lib/http/problem.ts';

const retrySeconds = 2;

/** postgres.js' and the system's codes of a connection that fails. */
const connectionError = /^(CONNECT(ION)?_[A-Z]+|E[A-Z]{4,})$/;

/**
 * What the statements come to; 503 where the same request may succeed later. A connection that broke at the commit
 * leaves it open whether the change was made: sending it again is safe, a meter made twice is answered 409.
 */
export async function fromDatabase<T>(statements: Promise<T>): Promise<T> {
  try {
    return await statements;
  } catch (error) {
    if (error instanceof MeterRegistryBusy) throw unavailable(error.message, retrySeconds, error);
    if (mayAnswerLater((error as { code?: unknown }).code)) {
      throw unavailable('The database does not answer now; try again.', retrySeconds, error);
    }
    throw error;
  }
}

function mayAnswerLater(code: unknown): boolean {
  return typeof code === 'string' && (isTemporary(code) || connectionError.test(code));
}
