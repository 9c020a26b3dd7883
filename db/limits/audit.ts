import type { Executor, Transaction } from '../connection/connect.ts';

/** Who asks for a change, for the audit log. */
export interface Actor {
  namespace: string;
  /** `key:<id of the API key>`, or `operator`. */
  name: string;
  requestId: string;
}

export interface Change {
  action: string;
  resource: string;
  resourceId: string;
  /** As the API shows it, without secrets; undefined where there was, or is, nothing. */
  before?: object | undefined;
  after?: object | undefined;
}

/** Notes a change in the transaction that makes it. */
export async function insertAudit(tx: Transaction, actor: Actor, change: Change): Promise<void> {
  const json = (value: object | undefined) => (value === undefined ? null : tx.json(value as never));
  await tx`
    INSERT INTO audit_log (namespace, actor, request_id, action, resource, resource_id, before, after)
    VALUES (${actor.namespace}, ${actor.name}, ${actor.requestId}, ${change.action}, ${change.resource},
            ${change.resourceId}, ${json(change.before)}::jsonb, ${json(change.after)}::jsonb)`;
}

export interface AuditEntry extends Change {
  id: number;
  at: Date;
  actor: string;
  requestId: string;
}

export interface AuditListing {
  /** Entries before this one; undefined = the newest. */
  beforeId: number | undefined;
  resource: string | undefined;
  resourceId: string | undefined;
  limit: number;
}

/** Newest first. */
export async function listAudit(
  sql: Executor,
  namespace: string,
  { beforeId, resource, resourceId, limit }: AuditListing,
): Promise<AuditEntry[]> {
  return sql<AuditEntry[]>`
    SELECT id::float8 AS id, at, actor, request_id AS "requestId", action, resource, resource_id AS "resourceId",
           before, after
    FROM audit_log
    WHERE namespace = ${namespace}
      ${beforeId === undefined ? sql`` : sql`AND id < ${beforeId}`}
      ${resource === undefined ? sql`` : sql`AND resource = ${resource}`}
      ${resourceId === undefined ? sql`` : sql`AND resource_id = ${resourceId}`}
    ORDER BY id DESC LIMIT ${limit}`;
}
