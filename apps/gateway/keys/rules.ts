import { type KeyLimits, namespacePattern, type Scope, scopes } from '@usage/lib/auth/key.ts';
import type { Fault } from '@usage/lib/http/faults.ts';

export const keyNameLengthMax = 100;
export const rateMax = 1_000_000_000;

export interface KeyRequest {
  namespace: string | undefined;
  name: string;
  scopes: Scope[];
  limits: KeyLimits;
}

const limitNames = ['eventsPerSecond', 'eventsBurst', 'requestsPerSecond', 'requestsBurst'] as const;
const known = new Set<string>(['namespace', 'name', 'scopes', ...limitNames]);

/** What a key is to be, or every fault. */
export function readKey(body: unknown): { value: KeyRequest } | { faults: Fault[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { faults: [{ field: '', reason: 'a JSON object is expected' }] };
  }
  const given = new Map(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
  const faults: Fault[] = [];
  for (const name of given.keys()) {
    if (!known.has(name)) faults.push({ field: name.slice(0, 64).toWellFormed(), reason: 'is not known' });
  }
  const value: KeyRequest = {
    namespace: namespaceOf(given.get('namespace'), faults),
    name: nameOf(given.get('name'), faults),
    scopes: scopesOf(given.get('scopes'), faults),
    limits: Object.fromEntries(
      limitNames.map((name) => [name, rateOf(given.get(name), name, faults)]),
    ) as unknown as KeyLimits,
  };
  const { eventsPerSecond, eventsBurst, requestsPerSecond, requestsBurst } = value.limits;
  checkBurst('events', eventsPerSecond, eventsBurst, faults);
  checkBurst('requests', requestsPerSecond, requestsBurst, faults);
  return faults.length > 0 ? { faults } : { value };
}

function namespaceOf(value: unknown, faults: Fault[]): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && new RegExp(namespacePattern).test(value)) return value;
  faults.push({ field: 'namespace', reason: `must match ${namespacePattern}` });
  return undefined;
}

function nameOf(value: unknown, faults: Fault[]): string {
  if (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= keyNameLengthMax &&
    value.isWellFormed() &&
    !/\p{Cc}/u.test(value)
  ) {
    return value;
  }
  faults.push({ field: 'name', reason: `must be a text of 1 to ${keyNameLengthMax} characters` });
  return '';
}

function scopesOf(value: unknown, faults: Fault[]): Scope[] {
  const isScope = (one: unknown): one is Scope => (scopes as readonly unknown[]).includes(one);
  if (Array.isArray(value) && value.length > 0 && value.length <= scopes.length && value.every(isScope)) {
    return [...new Set(value)];
  }
  faults.push({ field: 'scopes', reason: `must be a list of ${scopes.join(', ')}, at least one of them` });
  return [];
}

function rateOf(value: unknown, field: string, faults: Fault[]): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= rateMax)
    return value as number;
  faults.push({ field, reason: `must be a whole number from 1 to ${rateMax}` });
  return undefined;
}

function checkBurst(
  what: 'events' | 'requests',
  rate: number | undefined,
  burst: number | undefined,
  faults: Fault[],
) {
  if (burst === undefined) return;
  if (rate === undefined) faults.push({ field: `${what}Burst`, reason: `needs ${what}PerSecond` });
  else if (burst < rate)
    faults.push({ field: `${what}Burst`, reason: `must not be less than ${what}PerSecond` });
}
