import { MeterRegistryBusy } from '@usage/db/meterRegistry.ts';
import { unavailable } from '@usage/lib/http/problem.ts';

const retrySeconds = 2;

/** SQLSTATE classes that pass: connection, conflict, resources, not now (locks, closed databases), operator, system. */
const passingClasses = new Set(['08', '40', '53', '55', '57', '58']);
/** postgres.js' and the system's codes of a connection that fails. */
const connectionFault = /^(CONNECT(ION)?_[A-Z]+|E[A-Z]{4,})$/;

/**
 * What the statements come to; 503 where the same request may succeed later. A connection that broke at the commit
 * leaves it open whether the change was made: sending it again is safe, a meter made twice is answered 409.
 */
export async function fromDatabase<T>(statements: Promise<T>): Promise<T> {
  try {
    return await statements;
  } catch (error) {
    if (error instanceof MeterRegistryBusy) throw unavailable(error.message, retrySeconds, error);
    if (passes((error as { code?: unknown }).code)) {
      throw unavailable('The database does not answer now; try again.', retrySeconds, error);
    }
    throw error;
  }
}

function passes(code: unknown): boolean {
  if (typeof code !== 'string') return false;
  return passingClasses.has(code.slice(0, 2)) || connectionFault.test(code);
}
