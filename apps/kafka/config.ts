import { type ConfigOf, integer, oneOf, optional, secret, text, url } from '@usage/lib/service/config.ts';
import { commonSettings, dedupeWindowHours } from '@usage/lib/service/settings.ts';

const { logLevel, host, stopMsMax } = commonSettings;

export const kafkaSettings = {
  logLevel,
  host,
  stopMsMax,
  dedupeWindowHours,
  port: integer('KAFKA_PORT', {
    default: 8005,
    min: 0,
    max: 65_535,
    about: 'port of the Kafka source, for health and metrics (0 = any free one)',
  }),
  brokers: text('KAFKA_BROKERS', {
    default: '127.0.0.1:9092',
    about: 'brokers to begin with, host:port, separated by commas',
  }),
  mappingFile: optional(
    text('KAFKA_MAPPING_FILE', {
      about: 'YAML file of topics and how their messages become events (docs/kafka.md)',
    }),
  ),
  group: text('KAFKA_GROUP', {
    default: 'usage-tracking',
    about: 'consumer group; every replica of the Kafka source has the same',
  }),
  deadLetterTopic: text('KAFKA_DEAD_LETTER_TOPIC', {
    default: 'usage-dead-letters',
    about: 'topic that keeps the messages which can not become events; made where it is not there',
  }),
  sessionMsMax: integer('KAFKA_SESSION_MS_MAX', {
    default: 30_000,
    min: 1_000,
    max: 300_000,
    about: "ms after which the brokers give a silent replica's partitions to another one",
  }),
  tls: oneOf('KAFKA_TLS', ['off', 'on'], {
    default: 'off',
    about: 'whether the brokers are spoken to over TLS',
  }),
  caFile: optional(
    text('KAFKA_CA_FILE', { about: "PEM file of the authority that signed the brokers' certificates" }),
  ),
  saslMechanism: optional(
    oneOf('KAFKA_SASL_MECHANISM', ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
      about: 'how the Kafka source proves who it is; empty: not at all',
    }),
  ),
  username: optional(text('KAFKA_USERNAME', { about: 'user for KAFKA_SASL_MECHANISM' })),
  password: optional(secret('KAFKA_PASSWORD', { lengthMin: 1, about: 'password of KAFKA_USERNAME' })),
  gatewayUrl: url('GATEWAY_URL', ['http:', 'https:'], {
    default: 'http://127.0.0.1:8000',
    about: 'the gateway that the Kafka source sends events to',
  }),
  apiKey: optional(
    secret('KAFKA_API_KEY', {
      lengthMin: 8,
      about: 'API key with the scopes ingest and read that the Kafka source sends with',
    }),
  ),
};

export type KafkaConfig = ConfigOf<typeof kafkaSettings>;
