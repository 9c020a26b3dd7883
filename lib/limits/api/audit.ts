import { Type } from '@sinclair/typebox';
import { AuditListQuery } from './queries.ts';
import { route, writers } from './route.ts';
import { exampleId, exampleTime, Time } from './schemas.ts';

const Entry = Type.Object({
  id: Type.Integer({ description: 'Rises with every entry.' }),
  at: Time('When it was changed.'),
  actor: Type.String({ description: '`key:<id of the API key>`, or `operator`.' }),
  requestId: Type.String({ description: 'The X-Request-Id of the request.' }),
  action: Type.String({ description: '`create`, `update`, `delete`, …' }),
  resource: Type.String({ description: '`customer`, `feature`, `entitlement`, …' }),
  resourceId: Type.String(),
  before: Type.Optional(Type.Unknown({ description: 'As it was, without secrets.' })),
  after: Type.Optional(Type.Unknown({ description: 'As it is now, without secrets.' })),
});

export const auditRoutes = {
  listAudit: route('GET /api/v1/audit', writers, {
    tag: 'Audit',
    summary: 'List changes',
    description:
      'Changes of customers, features, entitlements, grants, channels and rules, newest first. Entries are never changed or deleted.',
    query: AuditListQuery,
    answer: {
      description: 'A page of changes.',
      schema: Type.Object({ items: Type.Array(Entry), nextCursor: Type.Optional(Type.String()) }),
      example: {
        items: [
          {
            id: 7,
            at: exampleTime,
            actor: 'operator',
            requestId: '6f9619ff-8b86-d',
            action: 'create',
            resource: 'customer',
            resourceId: exampleId,
          },
        ],
      },
    },
    problems: [400],
  }),
};
