import { type Static, Type } from '@sinclair/typebox';
import { attributeBytesMax } from '@usage/lib/event/event.ts';

/** OpenMeter's wire format of subjects (its api/openapi.yaml). */

export const subjectsPerRequestMax = 1_000;
export const subjectPageSizeMax = 10_000;
export const textLengthMax = 1_024;
export const metadataBytesMax = 16_384;

const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-11-22T10:00:00.123Z'] });

const key = Type.String({
  minLength: 1,
  maxLength: attributeBytesMax,
  description: 'The subject as events name it.',
  examples: ['customer-id'],
});

const period = {
  currentPeriodStart: Type.Optional(time('Start of its current billing period.')),
  currentPeriodEnd: Type.Optional(time('End of its current billing period.')),
};

export const SubjectUpsert = Type.Object(
  {
    key,
    displayName: Type.Optional(Type.Union([Type.String({ maxLength: textLengthMax }), Type.Null()])),
    metadata: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], {
        description: `Any JSON by name, up to ${metadataBytesMax} bytes.`,
      }),
    ),
    ...period,
    stripeCustomerId: Type.Optional(
      Type.Union([Type.String({ pattern: '^cus_', maxLength: textLengthMax }), Type.Null()]),
    ),
  },
  { additionalProperties: false, description: 'Fields left out stay as they are, null clears them.' },
);

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
