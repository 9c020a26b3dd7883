import { authSettings } from '@usage/lib/auth/settings.ts';
import { type ConfigOf, integer, oneOf, optional, text, url } from '@usage/lib/service/config.ts';
import { commonSettings, streamName } from '@usage/lib/service/settings.ts';

export const gatewaySettings = {
  ...commonSettings,
  ...authSettings,
  port: integer('API_PORT', {
    default: 8000,
    min: 0,
    max: 65_535,
    about: 'port of the gateway (0 = any free one)',
  }),
  streamName,
  metersFile: optional(text('METERS_FILE', { about: 'YAML file of meters that are applied at start' })),
  otlpMappingFile: optional(
    text('OTLP_MAPPING_FILE', {
      about:
        'YAML file that says which OTLP records become events (docs/otlp.md); spans of language models do without it',
    }),
  ),
  queryUrl: url('QUERY_URL', ['http:', 'https:'], {
    default: 'http://127.0.0.1:8002',
    about: 'query service that reads are passed on to',
  }),
  limitsUrl: url('LIMITS_URL', ['http:', 'https:'], {
    default: 'http://127.0.0.1:8004',
    about: 'limits service that customers, features, entitlements and notifications are passed on to',
  }),
  consoleFolder: text('CONSOLE_FOLDER', {
    default: 'apps/console/dist',
    about: 'folder of the console’s build (`bun run build`); without one /console answers 404',
  }),
  readMsMax: integer('READ_MS_MAX', { default: 30_000, min: 100, max: 55_000, about: 'ms a read may take' }),
  bodyBytesMax: integer('BODY_BYTES_MAX', {
    default: 8_388_608,
    min: 1_024,
    max: 67_108_864,
    about: 'bytes of a request body; longer ones get 413',
  }),
  bodiesBytesMax: integer('BODIES_BYTES_MAX', {
    default: 67_108_864,
    min: 1_048_576,
    max: 1_073_741_824,
    about: 'bytes of the bodies of events that are being read at once; beyond it requests get 503',
  }),
  bodyMsMax: integer('BODY_MS_MAX', {
    default: 30_000,
    min: 100,
    max: 55_000,
    about: 'ms the body of events may take to come, and a stream of lines may pause; then 408',
  }),
  requestEventsMax: integer('REQUEST_EVENTS_MAX', {
    default: 10_000,
    min: 1,
    max: 100_000,
    about: 'events a request; more of them get 413',
  }),
  frameLingerMs: integer('FRAME_LINGER_MS', {
    default: 2,
    min: 0,
    max: 1_000,
    about: 'ms that small requests wait for company while another frame is on its way',
  }),
  frameBytesMax: integer('FRAME_BYTES_MAX', {
    default: 2_097_152,
    min: 1_024,
    max: 67_108_864,
    about: 'bytes of JSON gathered into one frame; a longer request is a frame of its own',
  }),
  frameEventsMax: integer('FRAME_EVENTS_MAX', {
    default: 2_000,
    min: 1,
    max: 100_000,
    about: 'events gathered into one frame; a larger request is a frame of its own',
  }),
  frameVersion: integer('FRAME_VERSION', {
    default: 2,
    min: 1,
    max: 2,
    about: 'newest frame version to write; 1 while older processors still run',
  }),
  appendsMax: integer('APPENDS_MAX', {
    default: 4,
    min: 1,
    max: 64,
    about: 'frames on their way to Redis at once',
  }),
  appendMsMax: integer('APPEND_MS_MAX', {
    default: 3_000,
    min: 100,
    max: 30_000,
    about: 'ms Redis may take to answer',
  }),
  queuedBytesMax: integer('QUEUED_BYTES_MAX', {
    default: 67_108_864,
    min: 1_024,
    max: 1_073_741_824,
    about: 'bytes of JSON waiting for Redis; beyond it requests get 503',
  }),
  redisPersistence: oneOf('REDIS_PERSISTENCE', ['required', 'optional'], {
    default: 'required',
    about: 'required: no events are taken while Redis keeps them in memory alone; optional: it is logged',
  }),
  replicasMin: integer('REDIS_REPLICAS_MIN', {
    default: 0,
    min: 0,
    max: 5,
    about: 'replicas of Redis that have a frame before its events are acknowledged; else 503',
  }),
  pressurePollMs: integer('PRESSURE_POLL_MS', {
    default: 250,
    min: 10,
    max: 10_000,
    about: 'ms between looks at how full Redis is',
  }),
  memoryPercentMax: integer('STREAM_MEMORY_PERCENT_MAX', {
    default: 85,
    min: 10,
    max: 95,
    about: "percent of Redis' maxmemory from which on events get 503",
  }),
  memoryBytesMax: integer('STREAM_MEMORY_BYTES_MAX', {
    default: 536_870_912,
    min: 1_048_576,
    max: 1_099_511_627_776,
    about: 'taken for maxmemory where Redis has none',
  }),
  framesMax: integer('STREAM_FRAMES_MAX', {
    default: 500_000,
    min: 10,
    max: 100_000_000,
    about: 'frames in the stream from which on events get 503',
  }),
};

export type GatewayConfig = ConfigOf<typeof gatewaySettings>;
