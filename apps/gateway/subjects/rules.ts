import type { SubjectChange } from '@usage/db/subjects/subjects.ts';
import { attributeBytesMax } from '@usage/lib/event/event.ts';
import { parseTimeUs, timeFault } from '@usage/lib/event/time.ts';
import { isJsonObject, type MeterFault, textFault } from '@usage/lib/meter/fields.ts';
import { metadataBytesMax, subjectsPerRequestMax, textLengthMax } from './model.ts';

const fields = [
  'key',
  'displayName',
  'metadata',
  'currentPeriodStart',
  'currentPeriodEnd',
  'stripeCustomerId',
];
const shownLengthMax = 64;

/** The changes that a request asks for, or every fault of it by place, like `[2].key`. */
export function readSubjects(body: unknown): { value: SubjectChange[] } | { faults: MeterFault[] } {
  if (!Array.isArray(body)) return { faults: [{ field: '', reason: 'expected an array of subjects' }] };
  if (body.length > subjectsPerRequestMax) {
    return { faults: [{ field: '', reason: `must not be more than ${subjectsPerRequestMax} in a request` }] };
  }
  const firstByKey = new Map<unknown, number>();
  const faults = body.flatMap((subject: unknown, index) => {
    const own = faultsOf(subject);
    const key = isJsonObject(subject) ? subject.key : undefined;
    const first = firstByKey.get(key);
    if (first === undefined) firstByKey.set(key, index);
    else if (typeof key === 'string') own.push({ field: 'key', reason: `is that of [${first}] already` });
    return own.map(({ field, reason }) => ({
      field: field ? `[${index}].${field}` : `[${index}]`,
      reason,
    }));
  });
  if (faults.length > 0) return { faults };
  return { value: body.map(toChange) };
}

function faultsOf(subject: unknown): MeterFault[] {
  if (!isJsonObject(subject)) return [{ field: '', reason: 'expected a subject (a JSON object)' }];
  const faults: MeterFault[] = Object.keys(subject)
    .filter((field) => !fields.includes(field))
    .map((field) => ({
      field: field.slice(0, shownLengthMax),
      reason: `is not a field that can be set; known are ${fields.join(', ')}`,
    }));
  const check = (field: string, fault: string | undefined) => {
    if (fault !== undefined) faults.push({ field, reason: fault });
  };
  const { key, displayName, metadata, currentPeriodStart, currentPeriodEnd, stripeCustomerId } = subject;
  check('key', key === undefined ? 'is required' : keyFault(key));
  check(
    'displayName',
    nullableFault(displayName, (value) => textFault(value, { min: 0, max: textLengthMax })),
  );
  check('metadata', nullableFault(metadata, metadataFault));
  check('currentPeriodStart', currentPeriodStart === undefined ? undefined : periodFault(currentPeriodStart));
  check('currentPeriodEnd', currentPeriodEnd === undefined ? undefined : periodFault(currentPeriodEnd));
  check('stripeCustomerId', nullableFault(stripeCustomerId, stripeFault));
  return faults;
}

function nullableFault(value: unknown, faultOf: (value: unknown) => string | undefined): string | undefined {
  return value === undefined || value === null ? undefined : faultOf(value);
}

function keyFault(key: unknown): string | undefined {
  const fault = textFault(key, { min: 1, max: attributeBytesMax });
  if (fault || Buffer.byteLength(key as string) <= attributeBytesMax) return fault;
  return `must not be longer than ${attributeBytesMax} bytes`;
}

function stripeFault(id: unknown): string | undefined {
  return (
    textFault(id, { min: 0, max: textLengthMax }) ??
    ((id as string).startsWith('cus_') ? undefined : 'must start with cus_')
  );
}

function periodFault(time: unknown): string | undefined {
  return typeof time === 'string' ? timeFault(time) : 'expected a text with an RFC 3339 time';
}

/** Any JSON, as far as PostgreSQL can store it. */
function metadataFault(metadata: unknown): string | undefined {
  if (!isJsonObject(metadata)) return 'expected an object';
  if (Buffer.byteLength(JSON.stringify(metadata)) > metadataBytesMax) {
    return `must not be longer than ${metadataBytesMax} bytes of JSON`;
  }
  return storableFault(metadata);
}

function storableFault(value: unknown): string | undefined {
  if (typeof value === 'string') return textFault(value, { min: 0, max: metadataBytesMax });
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const fault = storableFault(key) ?? storableFault(member);
    if (fault) return fault;
  }
  return undefined;
}

function toChange(subject: Record<string, never>): SubjectChange {
  const { key, displayName, metadata, currentPeriodStart, currentPeriodEnd, stripeCustomerId } = subject;
  return {
    key: key!,
    displayName,
    metadata,
    currentPeriodStartUs: currentPeriodStart === undefined ? undefined : parseTimeUs(currentPeriodStart),
    currentPeriodEndUs: currentPeriodEnd === undefined ? undefined : parseTimeUs(currentPeriodEnd),
    stripeCustomerId,
  };
}
