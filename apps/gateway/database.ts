import { mayAnswerLater } from '@usage/db/connection/sqlStates.ts';
import { MeterRegistryBusy } from '@usage/db/meters/registryLock.ts';
import { unavailable } from '@usage/lib/http/problem.ts';

const retrySeconds = 2;

/**
 * What the statements come to; 503 where the same request may succeed later. A connection that broke at the commit
 * leaves it open whether the change was made: sending it again is safe, a meter made twice is answered 409.
 */
export async function fromDatabase<T>(statements: Promise<T>): Promise<T> {
  try {
    return await statements;
  } catch (error) {
    if (error instanceof MeterRegistryBusy) throw unavailable(error.message, retrySeconds, error);
    if (mayAnswerLater(error)) {
      throw unavailable('The database does not answer now; try again.', retrySeconds, error);
    }
    throw error;
  }
}
