import { integer, oneOf, text, url } from './config.ts';
import { logLevels } from './log.ts';

/** Settings that every app takes. */
export const commonSettings = {
  databaseUrl: url('DATABASE_URL', ['postgres:', 'postgresql:'], {
    default: 'postgres://usage_user:usage_password@127.0.0.1:5432/usage_tracking',
    about: 'PostgreSQL connection',
  }),
  redisUrl: url('REDIS_URL', ['redis:', 'rediss:'], {
    default: 'redis://127.0.0.1:6379',
    about: 'Redis connection',
  }),
  logLevel: oneOf('LOG_LEVEL', logLevels, { default: 'info', about: 'least severe level that is logged' }),
  host: text('API_HOST', { default: '127.0.0.1', about: 'address the HTTP ports listen on' }),
  stopMsMax: integer('STOP_MS_MAX', {
    default: 15_000,
    min: 1_000,
    max: 600_000,
    about: 'ms an app may take to stop',
  }),
};

/** Of all apps that touch the stream. */
export const streamName = text('STREAM_NAME', { default: 'usage', about: 'prefix of the keys in Redis' });

/** Of the processor, which keeps it, and the aggregator, which compresses nothing that it reaches. */
export const dedupeWindowHours = integer('DEDUPE_WINDOW_HOURS', {
  default: 24,
  min: 24,
  max: 720,
  about: 'hours for which an event that is sent again is recognised, at least',
});
