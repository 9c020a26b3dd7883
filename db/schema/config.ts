import { integer } from '@usage/lib/service/config.ts';
import { commonSettings } from '@usage/lib/service/settings.ts';

/** Settings of `migrate`. */
export const migrateSettings = {
  databaseUrl: commonSettings.databaseUrl,
  periodDays: integer('PERIOD_DAYS', {
    default: 7,
    min: 1,
    max: 31,
    about: 'days of arrivals that a partition of events holds; fixed once events are stored',
  }),
};
