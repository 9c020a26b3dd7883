import { epochRange, epochTime, isEpochText } from '@usage/lib/event/epochTime.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import type { MappedMessage, MappedRule, TopicRule } from './mapping.ts';

/** A message as Kafka keeps it. */
export interface KafkaMessage {
  topic: string;
  partition: number;
  offset: bigint;
  /** ms since 1970; negative: there is none. */
  timestamp: bigint;
  key: Buffer | null | undefined;
  value: Buffer | null | undefined;
  headers: readonly (readonly [Buffer, Buffer | null | undefined])[];
}

/** What is sent to the gateway. */
export interface ReadEvent {
  id: string;
  source: string;
  /** µs since 1970; undefined where the time isn't one, which the gateway refuses. */
  timeUs: number | undefined;
  /** CloudEvents JSON. */
  text: string;
}

/** Why a message is no event; whoever has its bytes adds where it stood. */
export class MessageError extends Error {
  override name = 'MessageError';
}

/** Brokers before 2.8 know no ids of topics. */
const noTopicId = '00000000-0000-0000-0000-000000000000';
/** Of a schema registry's format: Avro or Protobuf. */
const registryMark = 0;

/**
 * The event of a message. Where it has no id one is made of topic, partition and offset (of the topic's own id, so that a topic
 * that is deleted and made again has others); without a time it has the message's timestamp. Throws a MessageError.
 */
export function eventOf(message: KafkaMessage, topicId: string | undefined, rule: TopicRule): ReadEvent {
  const headers = new Map(message.headers.map(([name, value]) => [name.toString(), value?.toString()]));
  const isBinary = rule === 'cloudevents' && headers.has('ce_specversion');
  // A CloudEvent in binary mode may have no data.
  const hasNone = message.value === null || message.value === undefined;
  if (hasNone && !isBinary) throw new MessageError('the message has no value');
  const value = hasNone ? undefined : jsonOf(message.value!);
  const attributes =
    rule === 'cloudevents'
      ? isBinary
        ? ofHeaders(headers, value)
        : ofObject(value)
      : ofRule(rule, { value, key: message.key?.toString(), header: (name) => headers.get(name) });
  const { topic, partition, offset, timestamp } = message;
  const named = topicId === undefined || topicId === noTopicId ? topic : topicId;
  const id = attributes.id ?? `${named}-${partition}-${offset}`;
  const source = attributes.source ?? `kafka:${topic}`;
  const time = attributes.time ?? (timestamp < 0n ? undefined : formatTimeUs(Number(timestamp) * 1_000));
  return {
    id: String(id),
    source: String(source),
    timeUs: typeof time === 'string' ? parseTimeUs(time) : undefined,
    text: JSON.stringify({ ...attributes, id, source, time }),
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function jsonOf(value: Uint8Array): unknown {
  if (value[0] === registryMark)
    throw new MessageError(
      'the value begins with a zero byte, as Avro and Protobuf of a schema registry do: JSON is expected',
    );
  let text: string;
  try {
    text = utf8.decode(value);
  } catch {
    throw new MessageError('the value is not UTF-8');
  }
  try {
    return parseJson(text);
  } catch (error) {
    throw new MessageError(`the value is not JSON: ${(error as Error).message}`);
  }
}

type Attributes = Record<string, unknown>;

function ofObject(value: unknown): Attributes {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Attributes;
  throw new MessageError('expected a CloudEvent, a JSON object');
}

/** CloudEvents' binary mode: attributes are headers, the value is the data. */
function ofHeaders(headers: ReadonlyMap<string, string | undefined>, data: unknown): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of headers) if (name.startsWith('ce_')) attributes[name.slice(3)] = value;
  return data === undefined ? attributes : { ...attributes, data };
}

function ofRule(rule: MappedRule, message: MappedMessage): Attributes {
  const attributes: Attributes = { specversion: '1.0', type: textOf(rule.type(message), 'type') };
  const subject = rule.subject
    .map((source) => source(message))
    .find((one) => one !== undefined && one !== null);
  attributes.subject = textOf(subject, 'subject');
  if (rule.id) attributes.id = textOf(rule.id(message), 'id');
  if (rule.source) attributes.source = textOf(rule.source(message), 'source');
  if (rule.time) attributes.time = timeOf(rule.time(message));
  attributes.data = rule.data
    ? Object.fromEntries(rule.data.map(([member, source]) => [member, source(message)]))
    : message.value;
  return attributes;
}

/** Ids of customers are numbers in many systems. */
function textOf(value: unknown, name: string): string {
  const text = JSON.isRawJSON(value) ? value.rawJSON : typeof value === 'number' ? String(value) : value;
  if (typeof text === 'string' && text !== '') return text;
  throw new MessageError(
    value === undefined || value === null || value === ''
      ? `the message has no ${name}`
      : `the ${name} is neither a text nor a number`,
  );
}

function timeOf(value: unknown): string {
  const text = textOf(value, 'time');
  if (!isEpochText(text)) return text;
  const time = epochTime(text);
  if (time === undefined) throw new MessageError(`the time ${text} is no number of ${epochRange}`);
  return time;
}
