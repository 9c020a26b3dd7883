import { type Static, Type } from '@sinclair/typebox';
import { literals } from './entitlementSchemas.ts';
import { readers, route } from './route.ts';
import { Amount, closed, exampleId, exampleTime, Id, Nullable, Time } from './schemas.ts';

export const holdSecondsMax = 86_400;

const EventName = closed(
  {
    source: Type.String({ minLength: 1, maxLength: 1_024 }),
    id: Type.String({ minLength: 1, maxLength: 1_024 }),
  },
  'The event that reports the usage: while it is not stored the reservation counts, from then on the event does.',
);

export const ReservationInput = closed({
  featureKey: Type.String({ minLength: 1, maxLength: 64 }),
  amount: Amount('How much is wanted.'),
  lockId: Type.String({
    minLength: 1,
    maxLength: 256,
    description:
      'Yours, for this piece of work: the same one again answers with the reservation that is there.',
  }),
  expiresInSeconds: Nullable(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: holdSecondsMax,
      default: 60,
      description: 'After which the hold frees itself.',
    }),
  ),
  onOverage: Nullable(literals(['reject', 'cap'])),
  event: Nullable(EventName),
});
export type ReservationInput = Static<typeof ReservationInput>;

export const CommitInput = closed({
  amount: Nullable(Amount('What was really used; what was reserved where it is left out. 0 releases.')),
  event: Nullable(EventName),
});
export type CommitInput = Static<typeof CommitInput>;

const ReservationWire = Type.Object({
  id: Id,
  entitlementId: Id,
  lockId: Type.String(),
  state: Type.String({ description: 'held, committed, reported, released, expired' }),
  requested: Type.Number(),
  amount: Type.Number({
    description: 'Held; less than requested where it was capped. After the commit: used.',
  }),
  event: Type.Optional(EventName),
  createdAt: Time('When it was made.'),
  expiresAt: Time('When it ends by itself.'),
  committedAt: Type.Optional(Time('When it was committed.')),
  available: Type.Optional(Type.Number({ description: 'What is left for others, after this one.' })),
});

const example = {
  id: exampleId,
  entitlementId: exampleId,
  lockId: 'job-17',
  state: 'held',
  requested: 10,
  amount: 10,
  createdAt: exampleTime,
  expiresAt: exampleTime,
  available: 790,
};
const tag = 'Reservations';
const one = { description: 'The reservation.', schema: ReservationWire, example };
const workers = ['ingest', 'admin'] as const;

export const reservationRoutes = {
  createReservation: route('POST /api/v1/customers/:customerIdOrKey/reservations', workers, {
    tag,
    summary: 'Reserve before the work',
    description:
      'Holds an amount of a metered feature. Nobody gets more than is left, however many ask at once. With `onOverage: reject` (the default) it is all or 409; with `cap` what is left, or 409 where that is nothing. Also takes a subject for the customer.',
    body: {
      schema: ReservationInput,
      example: {
        featureKey: 'api_calls',
        amount: 10,
        lockId: 'job-17',
        event: { source: 'jobs', id: 'job-17' },
      },
    },
    answer: { ...one, status: 201 },
    problems: [404, 409],
  }),
  getReservation: route('GET /api/v1/reservations/:reservationId', readers, {
    tag,
    summary: 'Get a reservation',
    answer: one,
    problems: [404],
  }),
  commitReservation: route('POST /api/v1/reservations/:reservationId/commit', workers, {
    tag,
    summary: 'Commit what was used',
    description:
      'Names the event that reports the usage, unless the reservation did. The same commit again changes nothing. A commit after the hold expired is taken: the usage happened.',
    body: { schema: CommitInput, example: { amount: 7, event: { source: 'jobs', id: 'job-17' } } },
    answer: one,
    problems: [404, 409],
  }),
  releaseReservation: route('POST /api/v1/reservations/:reservationId/release', workers, {
    tag,
    summary: 'Release a reservation',
    description: 'Nothing was used. Once more changes nothing.',
    answer: one,
    problems: [404, 409],
  }),
};
