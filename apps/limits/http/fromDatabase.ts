import { isTemporary } from '@usage/db/connection/sqlStates.ts';
import { unavailable } from '@usage/lib/http/problem.ts';

const retrySeconds = 1;
/** postgres.js' and the system's codes of a connection that fails. */
const connectionFault = /^(CONNECT(ION)?_[A-Z]+|E[A-Z]{4,})$/;

/** 503 where the same request may succeed later; other errors stay as they are. */
export function databaseProblem(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !(isTemporary(code) || connectionFault.test(code))) return error;
  return unavailable('The database does not answer now; try again.', retrySeconds, error);
}

export const uniqueViolation = '23505';
