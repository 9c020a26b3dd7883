import {
  createPortalToken,
  deletePortalTokens,
  listPortalTokens,
  type PortalToken as StoredToken,
} from '@usage/db/access/portalTokens.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import { getMeter } from '@usage/db/meters/findMeters.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import { newPortalToken } from '@usage/lib/auth/token.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { withoutNulls } from '@usage/lib/validation/schema.ts';
import { fromDatabase } from '../database.ts';
import { type PortalToken, PortalTokenCreate, TokensToEnd } from './model.ts';

/** OpenMeter's default. */
const lifeMs = 3_600_000;
/** Of a namespace. */
const tokensPerDayMax = 100_000;
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
export async function showTokens(sql: Sql, by: Identity, limit = tokensShown): Promise<PortalToken[]> {
  return (await fromDatabase(listPortalTokens(sql, by.namespace, limit))).map(toWire);
}

/** Ends tokens by id or subject. They stop working at once. */
export async function endTokens(sql: Sql, by: Identity, body: unknown): Promise<void> {
  const { id, subject } = readBodyAs('request', TokensToEnd, withoutNulls(body, ['id', 'subject']));
  if (id === undefined && subject === undefined)
    throw invalid('request', [{ field: '', reason: 'id or subject is required' }]);
  await fromDatabase(deletePortalTokens(sql, by.namespace, { id, subject }));
}

function readToken(body: unknown) {
  const token = readBodyAs('portal token', PortalTokenCreate, withoutNulls(body, ['allowedMeterSlugs']));
  const { subject, allowedMeterSlugs: slugs, expiresAt } = token;
  return {
    subject,
    allowedMeterSlugs: slugs && [...new Set(slugs)],
    expiresAt: new Date(expiresAt === undefined ? Date.now() + lifeMs : parseTimeUs(expiresAt)! / 1_000),
  };
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
