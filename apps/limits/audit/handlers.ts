import type { Sql } from '@usage/db/connection/connect.ts';
import { listAudit } from '@usage/db/limits/audit.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { AuditListQuery } from '@usage/lib/limits/api/queries.ts';
import type { Ask } from '../http/ask.ts';

export function auditHandlers(sql: Sql) {
  return {
    async listAudit({ namespace, request }: Ask) {
      const { limit = 100, cursor, resource, resourceId } = readParameters(AuditListQuery, request);
      const listing = {
        limit: limit + 1,
        beforeId: cursor === undefined ? undefined : Number(cursor),
        resource,
        resourceId,
      };
      const entries = await listAudit(sql, namespace, listing);
      const items = entries.slice(0, limit).map(({ before, after, ...entry }) => ({
        ...entry,
        ...(before && { before }),
        ...(after && { after }),
      }));
      return { items, ...(entries.length > limit && { nextCursor: String(items.at(-1)!.id) }) };
    },
  };
}
