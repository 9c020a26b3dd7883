import { type Static, Type } from '@sinclair/typebox';
import { attributeBytesMax } from '@usage/lib/event/event.ts';
import { within } from '@usage/lib/validation/issue.ts';
import { issuesOf } from '@usage/lib/validation/issuesOf.ts';
import { closedObject, judged, nullable, text, time, wholeNumber } from '@usage/lib/validation/schema.ts';
import { isJsonObject, textIssue } from '@usage/lib/validation/text.ts';

/** OpenMeter's wire format of subjects (its api/openapi.yaml). */

const subjectsPerRequestMax = 1_000;
export const subjectPageSizeMax = 10_000;
const pageMax = 1_000_000;
const textLengthMax = 1_024;
const metadataBytesMax = 16_384;

const key = text({
  minLength: 1,
  maxLength: attributeBytesMax,
  bytesMax: attributeBytesMax,
  description: 'The subject as events name it.',
  examples: ['customer-id'],
});

const metadata = judged<Record<string, unknown>>(
  {
    type: 'object',
    additionalProperties: true,
    description: `Any JSON by name, up to ${metadataBytesMax} bytes.`,
  },
  (value) => {
    if (!isJsonObject(value)) return 'expected an object';
    if (Buffer.byteLength(JSON.stringify(value)) > metadataBytesMax)
      return `must not be longer than ${metadataBytesMax} bytes of JSON`;
    return storableIssue(value);
  },
);

const period = {
  currentPeriodStart: Type.Optional(time('Start of its current billing period.')),
  currentPeriodEnd: Type.Optional(time('End of its current billing period.')),
};

const SubjectUpsert = closedObject(
  {
    key,
    displayName: Type.Optional(nullable(text({ maxLength: textLengthMax }))),
    metadata: Type.Optional(nullable(metadata)),
    ...period,
    stripeCustomerId: Type.Optional(
      nullable(
        text({
          maxLength: textLengthMax,
          pattern: '^cus_',
          issue: (id) => (id.startsWith('cus_') ? undefined : 'must start with cus_'),
        }),
      ),
    ),
  },
  { description: 'Fields left out stay as they are, null clears them.' },
);

/** Subjects whose keys differ. */
export const SubjectUpserts = judged<Static<typeof SubjectUpsert>[]>(
  { type: 'array', items: SubjectUpsert, maxItems: subjectsPerRequestMax },
  (subjects) => {
    if (!Array.isArray(subjects)) return 'expected an array of subjects';
    if (subjects.length > subjectsPerRequestMax)
      return `must not be more than ${subjectsPerRequestMax} in a request`;
    const firstByKey = new Map<unknown, number>();
    return subjects.flatMap((subject: unknown, index) => {
      const issues = issuesOf(SubjectUpsert, subject);
      const own = isJsonObject(subject) ? subject.key : undefined;
      const first = firstByKey.get(own);
      if (first === undefined) firstByKey.set(own, index);
      else if (typeof own === 'string')
        issues.push({ field: 'key', reason: `is that of [${first}] already` });
      return issues.map(({ field, reason }) => ({ field: within(`[${index}]`, field), reason }));
    });
  },
);

export const SubjectListQuery = closedObject({
  page: Type.Optional(
    wholeNumber({ minimum: 1, maximum: pageMax }, { default: 1, description: 'Number of the page.' }),
  ),
  pageSize: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: subjectPageSizeMax },
      { default: subjectPageSizeMax, description: 'Subjects on a page.' },
    ),
  ),
});

/** Any JSON, as far as PostgreSQL can store it. */
function storableIssue(value: unknown): string | undefined {
  if (typeof value === 'string') return textIssue(value, { min: 0, max: metadataBytesMax });
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const issue = storableIssue(name) ?? storableIssue(member);
    if (issue) return issue;
  }
  return undefined;
}

export const Subject = Type.Object({
  id: Type.String({ description: 'ULID', examples: ['01G65Z755AFWAKHE12NY0CQ9FH'] }),
  key,
  displayName: Type.Optional(Type.String()),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  ...period,
  stripeCustomerId: Type.Optional(Type.String()),
  createdAt: time('When it was created.'),
  updatedAt: time('When it was last changed.'),
});
export type Subject = Static<typeof Subject>;

const described = { key: 'customer-id', displayName: 'Customer Name', metadata: { plan: 'pro' } };
export const upsertExample = [described];
export const subjectExample: Subject = {
  id: '01G65Z755AFWAKHE12NY0CQ9FH',
  ...described,
  createdAt: '2026-11-22T10:00:00.123Z',
  updatedAt: '2026-11-22T10:00:00.123Z',
};
