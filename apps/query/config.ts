import { authSettings } from '@usage/lib/auth/settings.ts';
import { type ConfigOf, integer, optional } from '@usage/lib/service/config.ts';
import { commonSettings, databaseUrl, streamName } from '@usage/lib/service/settings.ts';

export const querySettings = {
  ...commonSettings,
  ...authSettings,
  port: integer('QUERY_PORT', {
    default: 8002,
    min: 0,
    max: 65_535,
    about: 'port of the query service (0 = any free one)',
  }),
  streamName,
  replicaUrl: optional(
    databaseUrl('QUERY_DATABASE_URL', {
      about:
        'read replicas, hosts with commas between them, that queries are read from; the primary where empty',
    }),
  ),
  replicaLagMsMax: integer('QUERY_REPLICA_LAG_MS_MAX', {
    default: 10_000,
    min: 500,
    max: 600_000,
    about: 'ms a replica may be behind the primary; one that is further behind answers nothing',
  }),
  queryMsMax: integer('QUERY_MS_MAX', {
    default: 20_000,
    min: 100,
    max: 50_000,
    about: 'ms a query may take; longer ones get 503',
  }),
  connectionsMax: integer('QUERY_CONNECTIONS_MAX', {
    default: 8,
    min: 1,
    max: 100,
    about: 'queries that run in the database at once',
  }),
  connectionsPerNamespaceMax: integer('QUERY_CONNECTIONS_PER_NAMESPACE_MAX', {
    default: 6,
    min: 1,
    max: 100,
    about:
      'of these for one namespace; the others of it wait. At least one connection is left to other namespaces',
  }),
  queriesMax: integer('QUERIES_MAX', {
    default: 200,
    min: 1,
    max: 10_000,
    about: 'queries that run or wait for a connection; more of them get 503',
  }),
  queriesPerNamespaceMax: integer('QUERIES_PER_NAMESPACE_MAX', {
    default: 150,
    min: 1,
    max: 10_000,
    about: 'queries of one namespace that run or wait; more of them get 503',
  }),
  deltaCellsMax: integer('DELTA_CELLS_CACHED_MAX', {
    default: 400_000,
    min: 0,
    max: 10_000_000,
    about:
      'cells (55 to 80 bytes each) and distinct values (170) of deltas kept decoded in memory; keep it above ' +
      'DELTA_CELLS_WAITING_MAX',
  }),
  freshnessMsMax: integer('FRESHNESS_MS_MAX', {
    default: 250,
    min: 10,
    max: 5_000,
    about: 'ms Redis may take to say how fresh an answer is; the answer goes without then',
  }),
};

export type QueryConfig = ConfigOf<typeof querySettings>;
