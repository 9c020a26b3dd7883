import { isTemporary } from '@usage/db/connection/sqlStates.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { WindowsError } from '@usage/lib/windows/windows.ts';

const retrySeconds = 1;
/** postgres.js' and the system's codes of a connection that fails. */
const connectionError = /^(CONNECT(ION)?_[A-Z]+|E[A-Z]{4,})$/;

/** 400 for too many windows or an unknown zone, 503 where the same request may succeed later; other errors stay as they are. */
export function databaseProblem(error: unknown): unknown {
  if (error instanceof WindowsError) return new Problem('bad_request', `${error.message}.`);
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !(isTemporary(code) || connectionError.test(code))) return error;
  return unavailable('The database does not answer now; try again.', retrySeconds, error);
}

export const uniqueViolation = '23505';
