import { authSettings } from '@usage/lib/auth/settings.ts';
import { type ConfigOf, integer, oneOf } from '@usage/lib/service/config.ts';
import { commonSettings, streamName } from '@usage/lib/service/settings.ts';

export const limitsSettings = {
  ...commonSettings,
  ...authSettings,
  port: integer('LIMITS_PORT', {
    default: 8004,
    min: 0,
    max: 65_535,
    about: 'port of the limits service (0 = any free one)',
  }),
  streamName,
  connectionsMax: integer('LIMITS_CONNECTIONS_MAX', {
    default: 8,
    min: 2,
    max: 100,
    about: 'connections to the database for checks, reservations and changes',
  }),
  statementMsMax: integer('LIMITS_MS_MAX', {
    default: 10_000,
    min: 100,
    max: 50_000,
    about: 'ms a check or a change may take; longer ones get 503',
  }),
  requestsMax: integer('LIMITS_REQUESTS_MAX', {
    default: 400,
    min: 1,
    max: 10_000,
    about: 'checks that run or wait for a connection; more of them get 503',
  }),
  requestsPerNamespaceMax: integer('LIMITS_REQUESTS_PER_NAMESPACE_MAX', {
    default: 300,
    min: 1,
    max: 10_000,
    about: 'of these for one namespace',
  }),
  deltaCellsMax: integer('LIMITS_DELTA_CELLS_CACHED_MAX', {
    default: 400_000,
    min: 0,
    max: 10_000_000,
    about: 'cells of pending deltas kept decoded in memory for checks; keep it above DELTA_CELLS_WAITING_MAX',
  }),
  statesMax: integer('LIMITS_ENTITLEMENTS_CACHED_MAX', {
    default: 50_000,
    min: 0,
    max: 5_000_000,
    about: 'entitlements kept in memory for checks, 1 to 2 kB each; more of them are read again',
  }),
  webhookMsMax: integer('WEBHOOK_MS_MAX', {
    default: 15_000,
    min: 100,
    max: 60_000,
    about: 'ms a webhook may take to answer',
  }),
  webhookAddresses: oneOf('WEBHOOK_ADDRESSES', ['public', 'any'], {
    default: 'public',
    about: 'public: webhooks to loopback, link-local and private addresses are refused; any: they are not',
  }),
  notificationDays: integer('NOTIFICATION_RETENTION_DAYS', {
    default: 90,
    min: 3,
    max: 3_650,
    about: 'days for which events of notifications are kept, with the log of their deliveries',
  }),
  freshnessMsMax: integer('LIMITS_FRESHNESS_MS_MAX', {
    default: 250,
    min: 10,
    max: 5_000,
    about: 'ms Redis may take to say how fresh a check is; the check goes without then',
  }),
};

export type LimitsConfig = ConfigOf<typeof limitsSettings>;
