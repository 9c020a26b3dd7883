import type { GrantFields } from '@usage/db/limits/grants.ts';
import type { Decimal } from '@usage/lib/decimal/decimal.ts';
import { compareDecimals, decimalOfNumber, readDecimal } from '@usage/lib/decimal/decimal.ts';
import { parseTimeUs, timeIssue } from '@usage/lib/event/time.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import type {
  EntitlementInput,
  GrantInput,
  RecurringInput,
} from '@usage/lib/limits/api/entitlementSchemas.ts';
import { instantsOf, intervalIssue, type Recurrence } from '@usage/lib/limits/engine/recurrence.ts';
import { checkZone } from '@usage/lib/windows/windows.ts';

/** What a request says of an entitlement, checked as far as it can be without the database. */
export interface ReadEntitlement {
  type: EntitlementInput['type'];
  config: string | undefined;
  isSoftLimit: boolean;
  issue: { amount: Decimal; priority: number | undefined } | undefined;
  preserveOverage: boolean;
  measureUsageFromUs: number | undefined;
  usagePeriod: Recurrence | undefined;
  grants: GrantFields[];
}

/** Version of OpenMeter's wire: defaults of grants differ. */
export type WireVersion = 'v1' | 'v2';

const only = {
  metered: [
    'usagePeriod',
    'measureUsageFrom',
    'isSoftLimit',
    'issueAfterReset',
    'issueAfterResetPriority',
    'issue',
    'grants',
    'preserveOverageAtReset',
    'isUnlimited',
  ],
  static: ['config', 'usagePeriod'],
  boolean: ['usagePeriod'],
} as const;
const typed = [...new Set(Object.values(only).flat())] as const;

/** Throws a Problem that names every issue. */
export function readEntitlement(
  input: EntitlementInput,
  nowUs: number,
  version: WireVersion,
): ReadEntitlement {
  const issues: Issue[] = [];
  const allowed: readonly string[] = only[input.type];
  for (const field of typed)
    if (input[field] != null && !allowed.includes(field))
      issues.push({ field, reason: `is not for ${input.type} entitlements` });
  const usagePeriod = input.usagePeriod
    ? recurrenceOf(input.usagePeriod, nowUs, 'usagePeriod', issues)
    : undefined;
  if (input.type === 'metered' && !input.usagePeriod)
    issues.push({ field: 'usagePeriod', reason: 'is required for metered entitlements' });
  if (input.type === 'static') checkConfig(input.config, issues);
  const issue = issuedAfterReset(input, issues);
  const measureUsageFromUs =
    input.type === 'metered' ? startOf(input, usagePeriod, nowUs, issues) : undefined;
  const zone = usagePeriod?.zone ?? 'UTC';
  const grants = (input.grants ?? []).map((grant, i) =>
    grantOf(grant, version, zone, `grants[${i}].`, issues),
  );
  if (issues.length > 0) throw invalid('entitlement', issues);
  return {
    type: input.type,
    config: input.config ?? undefined,
    isSoftLimit: input.isSoftLimit ?? false,
    issue,
    preserveOverage: input.preserveOverageAtReset ?? false,
    measureUsageFromUs,
    usagePeriod,
    grants,
  };
}

/** Throws a Problem that names every issue. */
export function readGrant(input: GrantInput, version: WireVersion, zone: string): GrantFields {
  const issues: Issue[] = [];
  const grant = grantOf(input, version, zone, '', issues);
  if (issues.length > 0) throw invalid('grant', issues);
  return grant;
}

/** The grant of issueAfterReset: each reset gives it its amount again, whatever was left. */
export function issuedGrant(
  { amount, priority }: NonNullable<ReadEntitlement['issue']>,
  fromUs: number,
): GrantFields {
  return {
    amount,
    priority: priority ?? 1,
    effectiveAtUs: fromUs,
    expiration: undefined,
    expiresAtUs: undefined,
    maxRollover: amount,
    minRollover: amount,
    recurrence: undefined,
    metadata: undefined,
    annotations: { issueAfterReset: true },
  };
}

function checkConfig(config: string | null | undefined, issues: Issue[]): void {
  if (config == null) {
    issues.push({ field: 'config', reason: 'is required for static entitlements' });
    return;
  }
  try {
    JSON.parse(config);
  } catch {
    issues.push({ field: 'config', reason: 'must be JSON as a text' });
  }
}

function issuedAfterReset(input: EntitlementInput, issues: Issue[]): ReadEntitlement['issue'] {
  const { issue, issueAfterReset, issueAfterResetPriority } = input;
  if (issue && issueAfterReset != null)
    issues.push({ field: 'issue', reason: 'cannot be used together with issueAfterReset' });
  if (issueAfterResetPriority != null && issueAfterReset == null)
    issues.push({ field: 'issueAfterResetPriority', reason: 'needs issueAfterReset' });
  const given = issue?.amount ?? issueAfterReset;
  if (given == null) return undefined;
  const amount = amountOf(given, issue ? 'issue.amount' : 'issueAfterReset', issues);
  return { amount, priority: (issue ? issue.priority : issueAfterResetPriority) ?? undefined };
}

function startOf(
  { measureUsageFrom }: EntitlementInput,
  usagePeriod: Recurrence | undefined,
  nowUs: number,
  issues: Issue[],
): number {
  if (measureUsageFrom == null || measureUsageFrom === 'NOW') return nowUs;
  if (measureUsageFrom === 'CURRENT_PERIOD_START')
    return usagePeriod ? instantsOf(usagePeriod).periodAt(nowUs).fromUs : nowUs;
  return timeOf(measureUsageFrom, 'measureUsageFrom', issues) ?? nowUs;
}

function grantOf(
  input: GrantInput,
  version: WireVersion,
  zone: string,
  place: string,
  issues: Issue[],
): GrantFields {
  const amount = amountOf(input.amount, `${place}amount`, issues);
  const effectiveAtUs = timeOf(input.effectiveAt, `${place}effectiveAt`, issues) ?? 0;
  const optional = (value: number | string | null | undefined, field: string, fallback: Decimal) =>
    value == null ? fallback : amountOf(value, `${place}${field}`, issues);
  const expiration = input.expiration ?? undefined;
  return {
    amount,
    priority: input.priority ?? 1,
    effectiveAtUs,
    expiration,
    expiresAtUs: expiration && expiryOf(effectiveAtUs, expiration, zone),
    maxRollover: optional(input.maxRolloverAmount, 'maxRolloverAmount', version === 'v2' ? amount : 0),
    minRollover: optional(input.minRolloverAmount, 'minRolloverAmount', 0),
    recurrence: input.recurrence
      ? recurrenceOf(input.recurrence, effectiveAtUs, `${place}recurrence`, issues, zone)
      : undefined,
    metadata: input.metadata ?? undefined,
    annotations: input.annotations ?? undefined,
  };
}

const expiryUnits = { HOUR: 'hours', DAY: 'days', WEEK: 'weeks', MONTH: 'months', YEAR: 'years' } as const;

function expiryOf(
  fromUs: number,
  { duration, count }: NonNullable<GrantInput['expiration']>,
  zone: string,
): number {
  const from = new Temporal.ZonedDateTime(BigInt(fromUs) * 1_000n, zone);
  return Number(from.add({ [expiryUnits[duration]]: count }).epochNanoseconds / 1_000n);
}

function recurrenceOf(
  { interval, anchor, timeZone }: RecurringInput,
  anchorByDefaultUs: number,
  place: string,
  issues: Issue[],
  zoneByDefault = 'UTC',
): Recurrence | undefined {
  const before = issues.length;
  const issue = intervalIssue(interval);
  if (issue) issues.push({ field: `${place}.interval`, reason: issue });
  const zone = timeZone ?? zoneByDefault;
  try {
    checkZone(zone);
  } catch (error) {
    issues.push({ field: `${place}.timeZone`, reason: (error as Error).message });
  }
  const anchorUs = anchor == null ? anchorByDefaultUs : timeOf(anchor, `${place}.anchor`, issues);
  return issues.length > before ? undefined : { interval, anchorUs: anchorUs!, zone };
}

export function amountOf(value: number | string, field: string, issues: Issue[]): Decimal {
  const amount = typeof value === 'number' ? decimalOfNumber(value) : readDecimal(value);
  if (compareDecimals(amount, 0) < 0) issues.push({ field, reason: 'must not be negative' });
  return amount;
}

export function timeOf(text: string, field: string, issues: Issue[]): number | undefined {
  const reason = timeIssue(text);
  if (reason !== undefined) issues.push({ field, reason });
  return parseTimeUs(text);
}
