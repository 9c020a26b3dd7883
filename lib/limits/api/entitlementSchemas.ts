import { type Static, Type } from '@sinclair/typebox';
import {
  Amount,
  Annotations,
  closed,
  exampleId,
  exampleTime,
  Id,
  Metadata,
  managed,
  Nullable,
  Time,
} from './schemas.ts';

/** What entitlements, grants and checks look like on the wire: OpenMeter's v1 and v2. */

export const entitlementOrders = ['createdAt', 'updatedAt'] as const;
export const grantOrders = ['id', 'createdAt', 'updatedAt'] as const;
export const entitlementTypes = ['metered', 'static', 'boolean'] as const;
export const grantsPerRequestMax = 100;

export const literals = <const T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value))));

const RecurringInput = closed({
  interval: Type.String({
    minLength: 1,
    maxLength: 32,
    description: 'DAY, WEEK, MONTH, YEAR or an ISO 8601 duration of an hour or more.',
    examples: ['MONTH'],
  }),
  anchor: Nullable(Time('An instant at which a period begins; now where it is left out.')),
  timeZone: Nullable(
    Type.String({
      maxLength: 64,
      description: 'Whose calendar and clock decide, across daylight saving too. IANA name, UTC by default.',
      examples: ['Europe/Berlin'],
    }),
  ),
});
export type RecurringInput = Static<typeof RecurringInput>;

const Expiration = closed({
  duration: literals(['HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR']),
  count: Type.Integer({ minimum: 1, maximum: 1_000 }),
});

const Priority = Type.Integer({ minimum: 0, maximum: 255, description: 'The lowest is used first.' });

export const GrantInput = closed({
  amount: Amount('How much may be used.'),
  priority: Nullable(Priority),
  effectiveAt: Time('From when on; not before the current usage period.'),
  expiration: Nullable(Expiration),
  maxRolloverAmount: Nullable(
    Amount('What of its balance a reset leaves at most. 0 where it is left out in v1, the amount in v2.'),
  ),
  minRolloverAmount: Nullable(Amount('What a reset leaves at least.')),
  recurrence: Nullable(RecurringInput),
  metadata: Nullable(Metadata),
  annotations: Nullable(Annotations),
});
export type GrantInput = Static<typeof GrantInput>;

export const EntitlementInput = closed({
  type: literals(entitlementTypes),
  featureKey: Nullable(Type.String({ maxLength: 64, examples: ['api_calls'] })),
  featureId: Nullable(Id),
  metadata: Nullable(Metadata),
  annotations: Nullable(Annotations),
  usagePeriod: Nullable(RecurringInput),
  measureUsageFrom: Nullable(
    Type.String({
      description: 'CURRENT_PERIOD_START, NOW (the default) or a time.',
      examples: ['CURRENT_PERIOD_START'],
    }),
  ),
  isSoftLimit: Nullable(Type.Boolean({ description: 'Access goes on where nothing is left.' })),
  isUnlimited: Nullable(Type.Boolean({ description: 'Ignored, as OpenMeter does: use isSoftLimit.' })),
  issueAfterReset: Nullable(Amount('Granted at the beginning and anew at each reset.')),
  issueAfterResetPriority: Nullable(Priority),
  issue: Nullable(closed({ amount: Amount('As issueAfterReset.'), priority: Nullable(Priority) })),
  grants: Nullable(Type.Array(GrantInput, { maxItems: grantsPerRequestMax })),
  preserveOverageAtReset: Nullable(
    Type.Boolean({ description: 'What was used beyond the grants is taken from the next period’s.' }),
  ),
  config: Nullable(
    Type.String({ maxLength: 16_384, description: 'Of a static entitlement: JSON as a text.' }),
  ),
});
export type EntitlementInput = Static<typeof EntitlementInput>;

export const ResetInput = closed({
  effectiveAt: Nullable(Time('Now where it is left out; not in the future.')),
  retainAnchor: Nullable(Type.Boolean({ description: 'The usage period keeps its anchor.' })),
  preserveOverage: Nullable(
    Type.Boolean({ description: 'Instead of the entitlement’s preserveOverageAtReset.' }),
  ),
});

const Period = Type.Object({ from: Time('Included.'), to: Time('Excluded.') });
const Recurring = Type.Object({
  interval: Type.String(),
  intervalISO: Type.String(),
  anchor: Time('A beginning.'),
});

export const EntitlementWire = Type.Object({
  id: Id,
  type: literals(entitlementTypes),
  featureId: Id,
  featureKey: Type.String(),
  subjectKey: Type.Optional(Type.String({ description: 'In v1: the customer’s first.' })),
  customerId: Type.Optional(Type.String({ description: 'In v2.' })),
  customerKey: Type.Optional(Type.String({ description: 'In v2.' })),
  activeFrom: Time('From when on it may be used.'),
  activeTo: Type.Optional(Time('When it ended.')),
  lastReset: Type.Optional(Time('When the current usage period began.')),
  currentUsagePeriod: Type.Optional(Period),
  measureUsageFrom: Type.Optional(Time('Usage before it doesn’t count.')),
  usagePeriod: Type.Optional(Recurring),
  isSoftLimit: Type.Optional(Type.Boolean()),
  issueAfterReset: Type.Optional(Type.Number()),
  config: Type.Optional(Type.String()),
  ...managed,
});

const Exact = Type.Optional(
  Type.String({ description: 'The exact value, where a double does not hold it.' }),
);

export const ValueWire = Type.Object({
  hasAccess: Type.Boolean({ description: 'Soft limits always have; others while something is available.' }),
  balance: Type.Optional(Type.Number({ description: 'Left of the grants.' })),
  balanceExact: Exact,
  usage: Type.Optional(Type.Number({ description: 'In the current usage period.' })),
  usageExact: Exact,
  overage: Type.Optional(Type.Number({ description: 'Used beyond the grants.' })),
  overageExact: Exact,
  totalAvailableGrantAmount: Type.Optional(
    Type.Number({ description: 'What the grants of this period come to.' }),
  ),
  totalAvailableGrantAmountExact: Exact,
  reserved: Type.Optional(Type.Number({ description: 'Held by reservations.' })),
  reservedExact: Exact,
  available: Type.Optional(Type.Number({ description: 'May be used or reserved still.' })),
  availableExact: Exact,
  config: Type.Optional(Type.String()),
});

export const GrantWire = Type.Object({
  id: Id,
  entitlementId: Id,
  amount: Type.Number(),
  amountExact: Exact,
  priority: Type.Integer(),
  effectiveAt: Time('From when on.'),
  expiration: Type.Optional(Expiration),
  expiresAt: Type.Optional(Time('Until when.')),
  maxRolloverAmount: Type.Number(),
  minRolloverAmount: Type.Number(),
  recurrence: Type.Optional(Recurring),
  nextRecurrence: Type.Optional(Time('When its balance becomes its amount again.')),
  voidedAt: Type.Optional(Time('When it was voided.')),
  ...managed,
});

export const HistoryWire = Type.Object({
  windowedHistory: Type.Array(
    Type.Object({ period: Period, usage: Type.Number(), balanceAtStart: Type.Number() }),
  ),
  burndownHistory: Type.Array(
    Type.Object({
      period: Period,
      usage: Type.Number(),
      overage: Type.Number(),
      balanceAtStart: Type.Number(),
      balanceAtEnd: Type.Number(),
      grantBalancesAtStart: Type.Record(Type.String(), Type.Number()),
      grantBalancesAtEnd: Type.Record(Type.String(), Type.Number()),
      grantUsages: Type.Array(Type.Object({ grantId: Id, usage: Type.Number() })),
    }),
  ),
});

export const entitlementGiven = {
  type: 'metered',
  featureKey: 'api_calls',
  usagePeriod: { interval: 'MONTH', anchor: '2026-11-01T00:00:00Z' },
  issueAfterReset: 1000,
};
export const entitlementExample = {
  id: exampleId,
  type: 'metered',
  featureId: exampleId,
  featureKey: 'api_calls',
  customerId: exampleId,
  customerKey: 'acme',
  activeFrom: exampleTime,
  isSoftLimit: false,
  issueAfterReset: 1000,
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
export const valueExample = {
  hasAccess: true,
  balance: 800,
  usage: 200,
  overage: 0,
  totalAvailableGrantAmount: 1000,
  reserved: 10,
  available: 790,
};
export const grantGiven = {
  amount: 500,
  priority: 1,
  effectiveAt: exampleTime,
  expiration: { duration: 'MONTH', count: 1 },
};
export const grantExample = {
  id: exampleId,
  entitlementId: exampleId,
  ...grantGiven,
  maxRolloverAmount: 0,
  minRolloverAmount: 0,
  createdAt: exampleTime,
  updatedAt: exampleTime,
};
export const historyExample = {
  windowedHistory: [{ period: { from: exampleTime, to: exampleTime }, usage: 200, balanceAtStart: 1000 }],
  burndownHistory: [],
};
