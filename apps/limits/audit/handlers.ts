import type { Sql } from '@usage/db/connection/connect.ts';
import { listAudit } from '@usage/db/limits/audit.ts';
import { pageSizeMax } from '@usage/lib/limits/api/schemas.ts';
import { type Ask, QueryReader } from '../http/ask.ts';

export function auditHandlers(sql: Sql) {
  return {
    async listAudit({ namespace, query }: Ask) {
      const read = new QueryReader(query);
      const limit = read.integer('limit', 100, pageSizeMax);
      const beforeId = query.has('cursor') ? read.integer('cursor', 1, Number.MAX_SAFE_INTEGER) : undefined;
      const listing = {
        limit: limit + 1,
        beforeId,
        resource: read.text('resource'),
        resourceId: read.text('resourceId'),
      };
      read.done();
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
