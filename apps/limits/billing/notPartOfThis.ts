import { Problem } from '@usage/lib/http/problem.ts';

/** 501 for what OpenMeter's billing has: there is none here, and a client learns why. */
export function notPartOfThis(what: string): Problem {
  return new Problem(
    'not_implemented',
    `${what} belong to billing, which is not part of this system: see docs/limits.md.`,
  );
}
