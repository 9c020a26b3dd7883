/**
 * What a failed statement means for who sent it, by SQLSTATE (PostgreSQL, Appendix A) or by the driver's code.
 *
 *   duplicate   an identity is stored already
 *   data        this very input can't be stored: trying again fails again
 *   transient   the same again may succeed later: everything else
 */
export type ErrorKind = 'duplicate' | 'data' | 'transient';

export const uniqueViolation = '23505';

/** By class, the first two characters. */
const dataClasses: Record<string, string> = {
  '21': 'cardinality violation',
  '22': 'data exception',
  '23': 'integrity constraint violation',
  '54': 'program limit exceeded',
};

/** Of a check violation; a table without a partition for the row says the same. */
export const noPartition = '23514';
export const undefinedTable = '42P01';

/** Transient although their class is not: a partition that is missing is opened before the next attempt. */
const transientCodes: Record<string, string> = {
  [noPartition]: 'check violation: no partition of the table found for the row',
};

/**
 * Classes after which the same statement may succeed later: the connection, a conflict, resources, not now (locks, closed
 * databases), the operator, the system.
 */
const temporaryClasses = new Set(['08', '40', '53', '55', '57', '58']);

/** A write reached a standby: a fail-over is under way, or an address leads to the wrong server for a while. */
export const readOnlyTransaction = '25006';
/** Of REPEATABLE READ: what it would write was changed after its snapshot. */
export const serializationFailure = '40001';
export const lockNotAvailable = '55P03';
export const queryCanceled = '57014';

/** For who answers a client: whether a SQLSTATE passes by itself (503) and is none of the request's own making. */
export function isTemporary(sqlState: string): boolean {
  return temporaryClasses.has(sqlState.slice(0, 2)) || sqlState === readOnlyTransaction;
}

/** postgres.js' and the system's codes of a connection that fails. */
const connectionCode = /^(CONNECT(ION)?_[A-Z]+|E[A-Z]{4,})$/;

/** For who answers a client: whether the same request may succeed later, by a SQLSTATE or the code of a broken connection. */
export function mayAnswerLater(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && (isTemporary(code) || connectionCode.test(code));
}

export function errorKindOf(error: unknown): ErrorKind {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return 'transient';
  if (code === uniqueViolation) return 'duplicate';
  return code.length === 5 && code.slice(0, 2) in dataClasses && !(code in transientCodes)
    ? 'data'
    : 'transient';
}
