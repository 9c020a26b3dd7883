import { createKey, listKeys, revokeKey } from '@usage/db/access/keys.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import {
  type Key,
  keysMax,
  keysShownMax,
  readKeyDefinition,
  shownKey,
} from '@usage/lib/auth/keyDefinition.ts';
import { newKeyToken } from '@usage/lib/auth/token.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { fromDatabase } from '../database.ts';

/** What has to be done when keys have changed: nudge the other apps, look oneself. */
export type KeysChanged = () => Promise<void>;

/** The key with its secret, which is shown this once. Problems: 400, 403, 409. */
export async function makeKey(sql: Sql, by: Identity, body: unknown): Promise<Key & { key: string }> {
  const read = readKeyDefinition(body);
  if ('issues' in read) throw invalid('key', read.issues);
  const { namespace = by.namespace, name, scopes, limits } = read.value;
  if (!by.isOperator && namespace !== by.namespace) throw otherNamespace();
  const { token, prefix, hash } = newKeyToken();
  const stored = await fromDatabase(
    createKey(sql, { namespace, name, prefix, secretHash: hash, scopes, limits }, keysMax),
  );
  if (!stored)
    throw new Problem('conflict', `The namespace has ${keysMax} active keys: revoke some that are not used.`);
  return { ...shownKey(stored), key: token };
}

/** The newest first, without their secrets. */
export async function showKeys(sql: Sql, by: Identity, query: { namespace?: string }): Promise<Key[]> {
  return (await fromDatabase(listKeys(sql, namespaceFor(by, query), keysShownMax))).map(shownKey);
}

/** By id or prefix. Problems: 403, 404. */
export async function endKey(
  sql: Sql,
  by: Identity,
  query: { namespace?: string },
  idOrPrefix: string,
): Promise<void> {
  if (await fromDatabase(revokeKey(sql, namespaceFor(by, query), idOrPrefix))) return;
  throw new Problem(
    'not_found',
    `There is no key with the id or prefix ${JSON.stringify(idOrPrefix.slice(0, 64))}.`,
  );
}

function namespaceFor(by: Identity, { namespace = by.namespace }: { namespace?: string }): string {
  if (!by.isOperator && namespace !== by.namespace) throw otherNamespace();
  return namespace;
}

function otherNamespace(): Problem {
  return new Problem('forbidden', 'Only ADMIN_API_KEY deals with the keys of other namespaces.');
}
