import { mayAnswerLater } from '@usage/db/connection/sqlStates.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { WindowsError } from '@usage/lib/windows/windows.ts';

const retrySeconds = 1;

/** 400 for too many windows or an unknown zone, 503 where the same request may succeed later; other errors stay as they are. */
export function databaseProblem(error: unknown): unknown {
  if (error instanceof WindowsError) return new Problem('bad_request', `${error.message}.`);
  if (!mayAnswerLater(error)) return error;
  return unavailable('The database does not answer now; try again.', retrySeconds, error);
}
