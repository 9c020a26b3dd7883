import { integer, oneOf, optional, type Setting, text } from './config.ts';
import { parseDatabaseUrl } from './databaseUrl.ts';
import { logLevels } from './log.ts';
import { parseRedisUrl } from './redisUrl.ts';

/** A connection string that lib/service/databaseUrl.ts can read. */
export function databaseUrl(name: string, options: { default?: string; about: string }): Setting<string> {
  const { default: fallback, about } = options;
  return {
    name,
    fallback,
    about,
    parse(value) {
      parseDatabaseUrl(value);
      return value;
    },
  };
}

/** Where Redis is, in one of the forms of lib/service/redisUrl.ts. */
function redisUrl(name: string, options: { default: string; about: string }): Setting<string> {
  return {
    name,
    fallback: options.default,
    about: options.about,
    parse(value) {
      parseRedisUrl(value);
      return value;
    },
  };
}

/** Settings that every app takes. */
export const commonSettings = {
  databaseUrl: databaseUrl('DATABASE_URL', {
    default: 'postgres://usage_user:usage_password@127.0.0.1:5432/usage_tracking',
    about: 'PostgreSQL connection; several hosts and parameters: docs/operations.md',
  }),
  redisUrl: redisUrl('REDIS_URL', {
    default: 'redis://127.0.0.1:6379',
    about: 'Redis (or Valkey): one, a cluster, Sentinel, or one for each shard (docs/scaling.md)',
  }),
  redisCaFile: optional(
    text('REDIS_CA_FILE', {
      about: "PEM file of the authority that signed Redis' certificate, for rediss://",
    }),
  ),
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

/** Of the processor, which deletes frames once they are committed, and the aggregator, which watches the server. */
export const asyncReplication = oneOf('ASYNC_REPLICATION', ['refuse', 'allow'], {
  default: 'refuse',
  about:
    'whether PostgreSQL may acknowledge what a fail-over or a crash of it can take back; refuse: processors do not start',
});

/** Of the processor, which keeps it, and the aggregator, which compresses nothing that it reaches. */
export const dedupeWindowHours = integer('DEDUPE_WINDOW_HOURS', {
  default: 24,
  min: 24,
  max: 720,
  about: 'hours for which an event that is sent again is recognised, at least',
});
