import type { EventIssue } from '@usage/lib/event/event.ts';
import { Problem } from '@usage/lib/http/problem.ts';

const issuesShownMax = 100;

export interface BadEvent {
  index: number;
  issues: readonly EventIssue[];
}

/** 400 that names event, field and reason of every issue. */
export function invalidEvents(eventCount: number, bad: readonly BadEvent[]): Problem {
  const all = bad.flatMap(({ index, issues }) =>
    issues.map(({ field, reason }) => ({ index, field, reason })),
  );
  const validationErrors = all.slice(0, issuesShownMax);
  const { index, field, reason } = validationErrors[0]!;
  const subject = eventCount === 1 ? 'The event is' : `${bad.length} of ${eventCount} events are`;
  const first = `${eventCount === 1 ? '' : `event ${index}: `}${field === '' ? '' : `${field} `}${reason}`;
  return new Problem('invalid_events', `${subject} not valid, nothing was kept: ${first}.`, {
    extensions: { validationErrors, validationErrorsLeftOut: all.length - validationErrors.length },
  });
}
