import { integer, optional } from '@usage/lib/service/config.ts';
import { commonSettings, databaseUrl, dedupeWindowHours } from '@usage/lib/service/settings.ts';

/** Settings of `migrate`. */
export const migrateSettings = {
  databaseUrl: commonSettings.databaseUrl,
  directDatabaseUrl: optional(
    databaseUrl('DIRECT_DATABASE_URL', {
      about: "PostgreSQL's own address where DATABASE_URL leads to a pooler; DATABASE_URL where empty",
    }),
  ),
  streamShards: optional(
    integer('STREAM_SHARDS', {
      min: 1,
      max: 64,
      about:
        'streams of Redis that the events are spread over (docs/scaling.md); 1 at first, left as it is where empty',
    }),
  ),
  periodDays: integer('PERIOD_DAYS', {
    default: 7,
    min: 1,
    max: 31,
    about:
      'days of arrivals that a partition of events holds without TimescaleDB (with it: one); fixed once events are stored',
  }),
  dedupeWindowHours,
};
