import type { Static, TSchema } from '@sinclair/typebox';
import type { Issue } from '../validation/issue.ts';
import { issuesOf } from '../validation/issuesOf.ts';
import { Problem } from './problem.ts';

export type { Issue } from '../validation/issue.ts';

const issuesShownMax = 100;

/** Where the issues are. */
export type IssueSource = 'query' | 'body';

/** 400 that names every issue, in words and as `extensions.validationErrors`. */
export function invalid(what: string, issues: readonly Issue[], source: IssueSource = 'body'): Problem {
  const shown = issues.slice(0, issuesShownMax);
  const list = shown.map(({ field, reason }) => (field ? `${field} ${reason}` : reason)).join('; ');
  const more = issues.length - shown.length;
  // A question mark ends a sentence as well.
  const detail = `The ${what} is not valid: ${list}${more > 0 ? `; and ${more} more` : ''}`;
  return new Problem('bad_request', detail.endsWith('?') ? detail : `${detail}.`, {
    extensions: { validationErrors: shown },
    source,
  });
}

/** The parsed body of a request as its schema has it. Problems: 400 with every issue. */
export function readBodyAs<T extends TSchema>(what: string, schema: T, body: unknown): Static<T> {
  const issues = issuesOf(schema, body);
  if (issues.length > 0) throw invalid(what, issues);
  return body as Static<T>;
}

/**
 * A path parameter that PostgreSQL can look up. Empty, and so never found, where its percent-encoding is malformed
 * (the router makes it null then) or it holds a NUL, which no stored text has.
 */
export function pathText(parameter: string | null): string {
  return parameter === null || parameter.includes('\0') ? '' : parameter;
}
