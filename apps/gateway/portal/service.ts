import {
  createPortalToken,
  deletePortalTokens,
  listPortalTokens,
  type PortalToken as StoredToken,
} from '@usage/db/access/portalTokens.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import { getMeter } from '@usage/db/meters/meters.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import { newPortalToken } from '@usage/lib/auth/token.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { type Fault, integerIn, invalid } from '@usage/lib/http/faults.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { fromDatabase } from '../database.ts';
import type { PortalToken } from './model.ts';

/** OpenMeter's default, and the longest that a page's token may live. */
const lifeSeconds = 3_600;
const lifeSecondsMax = 86_400;
/** Of a namespace. */
const tokensPerDayMax = 100_000;
const slugsMax = 100;
const subjectLengthMax = 1_024;
const tokensShownMax = 100;
const tokensShown = 25;

/** The token with its secret, which is shown this once. Problems: 400, 404 for a meter that is not there, 409. */
export async function makeToken(sql: Sql, by: Identity, body: unknown): Promise<PortalToken> {
  const { subject, allowedMeterSlugs, expiresAt } = readToken(body);
  for (const slug of allowedMeterSlugs ?? []) {
    const meter = await fromDatabase(getMeter(sql, by.namespace, slug));
    if (!meter || meter.deletedAt)
      throw new Problem('not_found', `There is no meter ${JSON.stringify(slug)}.`);
  }
  const { token, hash } = newPortalToken();
  const stored = await fromDatabase(
    createPortalToken(
      sql,
      {
        namespace: by.namespace,
        subject,
        allowedMeterSlugs,
        secretHash: hash,
        apiKeyId: by.key?.id,
        expiresAt,
      },
      tokensPerDayMax,
    ),
  );
  if (!stored)
    throw new Problem('conflict', `The namespace has made ${tokensPerDayMax} portal tokens within a day.`);
  return { ...toWire(stored), token };
}

/** The newest first, without their secrets. */
export async function showTokens(sql: Sql, by: Identity, query: URLSearchParams): Promise<PortalToken[]> {
  const faults: Fault[] = [];
  const limit = integerIn(query, 'limit', tokensShown, tokensShownMax, faults);
  if (faults.length > 0) throw invalid('query', faults);
  return (await fromDatabase(listPortalTokens(sql, by.namespace, limit))).map(toWire);
}

/** Ends tokens by id or subject. They stop working at once. */
export async function endTokens(sql: Sql, by: Identity, body: unknown): Promise<void> {
  const { id, subject } = (body ?? {}) as { id?: unknown; subject?: unknown };
  const faults: Fault[] = [];
  for (const [field, value] of Object.entries({ id, subject })) {
    if (value !== undefined && value !== null && !isText(value))
      faults.push({ field, reason: 'must be a text' });
  }
  if (faults.length === 0 && !id && !subject) faults.push({ field: '', reason: 'id or subject is required' });
  if (faults.length > 0) throw invalid('request', faults);
  const which = {
    id: (id ?? undefined) as string | undefined,
    subject: (subject ?? undefined) as string | undefined,
  };
  await fromDatabase(deletePortalTokens(sql, by.namespace, which));
}

function readToken(body: unknown) {
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const { subject, allowedMeterSlugs: slugs, expiresAt } = given;
  const faults: Fault[] = [];
  if (!isText(subject))
    faults.push({ field: 'subject', reason: `must be a text of 1 to ${subjectLengthMax} characters` });
  const slugsGiven = slugs !== undefined && slugs !== null;
  if (
    slugsGiven &&
    !(Array.isArray(slugs) && slugs.length > 0 && slugs.length <= slugsMax && slugs.every(isText))
  ) {
    faults.push({ field: 'allowedMeterSlugs', reason: `must be a list of 1 to ${slugsMax} slugs` });
  }
  const expiresMs =
    expiresAt === undefined || expiresAt === null ? Date.now() + lifeSeconds * 1_000 : msOf(expiresAt);
  if (expiresMs === undefined || expiresMs <= Date.now() || expiresMs > Date.now() + lifeSecondsMax * 1_000) {
    faults.push({
      field: 'expiresAt',
      reason: `must be an RFC 3339 time within the next ${lifeSecondsMax / 3_600} hours`,
    });
  }
  if (faults.length > 0) throw invalid('portal token', faults);
  return {
    subject: subject as string,
    allowedMeterSlugs: slugsGiven ? [...new Set(slugs as string[])] : undefined,
    expiresAt: new Date(expiresMs!),
  };
}

function msOf(time: unknown): number | undefined {
  const us = typeof time === 'string' ? parseTimeUs(time) : undefined;
  return us === undefined ? undefined : us / 1_000;
}

function isText(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= subjectLengthMax &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}

function toWire({ id, subject, allowedMeterSlugs, createdAt, expiresAt }: StoredToken): PortalToken {
  return {
    id,
    subject,
    ...(allowedMeterSlugs && { allowedMeterSlugs }),
    createdAt: formatTimeUs(createdAt.getTime() * 1_000),
    expiresAt: formatTimeUs(expiresAt.getTime() * 1_000),
    ...(expiresAt.getTime() <= Date.now() && { expired: true }),
  };
}
