import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Admin,
  type CompressionAlgorithmValue,
  Consumer,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka';
import { freePort } from '../../scripts/local/ports.ts';
import { startClientTest } from '../client/stack.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { findKafka, secureUser, startBroker, type TestBroker } from './broker.ts';

/** The Kafka source against a real broker and the real apps. */
const kafka = await findKafka();
const missing = 'missing' in kafka ? kafka.missing : undefined;
if (missing) console.log(`The Kafka source isn't tested: ${missing}.`);

const startMsMax = 120_000;
const testMsMax = 180_000;
const sessionMs = 2_000;

describe.skipIf(missing !== undefined)('the Kafka source', () => {
  let stack: Awaited<ReturnType<typeof startClientTest>>;
  let broker: TestBroker;
  let folder: string;
  let producer: Producer<string, string | Buffer, string, string>;
  let tests = 0;
  let type: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'usage-kafka-'));
    [stack, broker] = await Promise.all([
      startClientTest(),
      startBroker((kafka as { classpath: string }).classpath),
    ]);
    await stack.startGateway();
    producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: [broker.address],
      // A retry after the end of the broker would be a message of its own.
      idempotent: true,
      serializers: {
        key: (key) => (key === undefined ? undefined : Buffer.from(key)),
        value: (value) => (value === undefined ? undefined : Buffer.from(value)),
        headerKey: (name) => Buffer.from(name!),
        headerValue: (value) => Buffer.from(value!),
      },
    });
  }, startMsMax);
  beforeEach(async () => {
    type = `kafka_${tests++}`;
    await stack.meter(type);
  });
  afterAll(async () => {
    await producer?.close(true);
    await stack?.stop();
    await broker?.stop();
    await rm(folder, { recursive: true, force: true });
  }, startMsMax);

  const client = () => ({ clientId: 'test', bootstrapBrokers: [broker.address] });

  async function makeTopic(name: string, partitions = 1): Promise<void> {
    const admin = new Admin(client());
    await admin.createTopics({ topics: [name], partitions, replicas: 1 });
    await admin.close();
  }

  /** The process, ready; `group` is the test's own by default. */
  async function startSource(mapping: string, group = type, settings: Record<string, string> = {}) {
    const file = join(folder, `${type}.yaml`);
    await Bun.write(file, mapping);
    const port = await freePort();
    const child = spawnApp(
      'kafka',
      {
        ...process.env,
        KAFKA_BROKERS: broker.address,
        KAFKA_MAPPING_FILE: file,
        KAFKA_GROUP: group,
        KAFKA_DEAD_LETTER_TOPIC: `${type}-dead`,
        KAFKA_SESSION_MS_MAX: String(sessionMs),
        KAFKA_PORT: String(port),
        GATEWAY_URL: stack.url,
        ...settings,
      },
      'inherit',
    );
    let log = '';
    void (async () => {
      for await (const chunk of child.stdout) log += new TextDecoder().decode(chunk);
    })();
    const url = `http://127.0.0.1:${port}`;
    return {
      child,
      log: () => log,
      /** Messages whose offsets were committed, by outcome. */
      async messages(): Promise<Record<string, number>> {
        const text = await fetch(`${url}/metrics`).then(
          (response) => response.text(),
          () => '',
        );
        const lines = text.matchAll(/^usage_kafka_messages_total\{outcome="(\w+)"\} (\d+)/gm);
        return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]));
      },
      async until(outcome: string, count: number): Promise<void> {
        while (((await this.messages())[outcome] ?? 0) < count) {
          if (child.exitCode !== null) throw new Error(`the source ended:\n${log}`);
          await Bun.sleep(20);
        }
      },
      async stop(): Promise<void> {
        child.kill('SIGTERM');
        expect(await child.exited).toBe(0);
      },
    };
  }

  type Sent = { key?: string; value?: string | Buffer; headers?: Record<string, string>; timestamp?: bigint };
  const send = (topic: string, messages: Sent[], compression?: CompressionAlgorithmValue) =>
    producer.send({
      messages: messages.map((message) => ({ topic, ...message })),
      acks: ProduceAcks.ALL,
      ...(compression && { compression }),
    });
  const event = (n: number, more = {}) => ({
    specversion: '1.0',
    id: `e${n}`,
    source: 'shop',
    type,
    subject: 's',
    data: { n },
    ...more,
  });

  /** Every message of a topic, as far as `count` of them. */
  async function read(topic: string, count: number) {
    const consumer = new Consumer({ ...client(), groupId: `${topic}-reader`, autocommit: false });
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST });
    const found: { value: string; headers: Record<string, string> }[] = [];
    for await (const { value, headerEntries } of stream) {
      found.push({
        value: String(value),
        headers: Object.fromEntries(headerEntries.map(([name, text]) => [String(name), String(text)])),
      });
      if (found.length >= count) break;
    }
    await consumer.close(true);
    return found;
  }

  test(
    'takes CloudEvents in both modes, compressed in every way, each once; keeps what is none, with the reason',
    async () => {
      await makeTopic(type);
      const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
      for (const [at, compression] of compressions.entries())
        await send(type, [{ value: JSON.stringify(event(at)) }], compression);
      await send(type, [
        // Another message of the same event.
        { value: JSON.stringify(event(4)) },
        // Without an id, twice: two events.
        { value: JSON.stringify(event(10, { id: undefined })) },
        { value: JSON.stringify(event(10, { id: undefined })) },
        {
          value: '{"n": 100.000000000000000001}',
          headers: { ce_specversion: '1.0', ce_id: 'b', ce_source: 'shop', ce_type: type, ce_subject: 's' },
        },
        { value: '{"not": json' },
        { value: Buffer.from([0, 0, 0, 0, 1, 6]) },
        { value: Buffer.from([0x22, 0xff, 0x22]) },
        { key: 'deleted' },
        { value: JSON.stringify(event(1000, { subject: '' })), headers: { trace: 't1' } },
        { value: '[]' },
      ]);
      const source = await startSource(`topics: { ${type}: cloudevents }`);
      await source.until('accepted', 9);
      expect(await source.messages()).toEqual({ accepted: 9, stored: 0, dead_letter: 6 });
      expect((await stack.total(type)).count).toBe(8);
      const { data } = (await (await fetch(`${stack.url}/api/v1/meters/${type}_sum/query`)).json()) as {
        data: { value: number; valueExact?: string }[];
      };
      expect(data[0]!.valueExact).toBe('130.000000000000000001');
      const dead = await read(`${type}-dead`, 6);
      expect(dead.map(({ headers }) => headers['usage-reason'])).toEqual([
        expect.stringContaining('not JSON'),
        expect.stringContaining('schema registry'),
        expect.stringContaining('not UTF-8'),
        'the message has no value',
        expect.stringContaining('expected a CloudEvent'),
        expect.stringContaining('subject'),
      ]);
      expect(dead[5]).toMatchObject({
        value: JSON.stringify(event(1000, { subject: '' })),
        headers: { trace: 't1', 'usage-topic': type, 'usage-partition': '0', 'usage-offset': '13' },
      });
      expect(source.log()).toContain('"msg":"dead letter"');
      await source.stop();
    },
    testMsMax,
  );

  test(
    'maps messages of other shapes',
    async () => {
      await makeTopic(type);
      await send(type, [
        {
          key: 'customer-1',
          value: '{"at": 1764000000123, "usage": {"total": 3}, "model": "large", "request": 77}',
          timestamp: 1_764_000_000_000n,
        },
        { key: 'customer-2', value: '{"usage": {"total": 4}}' },
        { key: 'customer-1', value: '{"at": 1764000000123, "usage": {"total": 5}, "request": 77}' },
        { value: '{"at": 1764000000123, "usage": {"total": 6}, "request": 78}' },
      ]);
      const source = await startSource(`
topics:
  ${type}:
    type: "=${type}"
    subject: [$.customer, key]
    id: $.request
    source: "=billing"
    time: $.at
    data: { n: $.usage.total, model: $.model }`);
      await source.until('dead_letter', 2);
      await stack.total(type);
      expect(await stack.bySubject(`${type}_sum`)).toEqual({ 'customer-1': 3 });
      const listed = await fetch(`${stack.url}/api/v1/events?subject=customer-1&from=2025-11-01T00:00:00Z`);
      expect(await listed.json()).toMatchObject([
        {
          event: {
            id: '77',
            source: 'billing',
            time: '2025-11-24T16:00:00.123Z',
            data: { n: 3, model: 'large' },
          },
        },
      ]);
      const dead = await read(`${type}-dead`, 2);
      expect(dead.map(({ headers }) => headers['usage-reason'])).toEqual([
        'the message has no id',
        'the message has no subject',
      ]);
      await source.stop();
    },
    testMsMax,
  );

  test(
    'killed again and again, beside a gateway and a broker that are: nothing lost, nothing twice',
    async () => {
      await makeTopic(type, 3);
      const mapping = `topics: { ${type}: { type: "=${type}", subject: key } }`;
      let sent = 0;
      const sendMore = async (count: number) => {
        for (let at = 0; at < count; at += 500)
          await send(
            type,
            Array.from({ length: 500 }, () => ({
              key: 's',
              value: JSON.stringify({ n: sent++ }),
              partition: sent % 3,
            })),
          );
      };
      await sendMore(6_000);
      let sources = await Promise.all([startSource(mapping), startSource(mapping)]);
      for (let round = 0; round < 3; round++) {
        const before = (await stack.total(type)).count;
        while ((await stack.total(type)).count === before && sent > before) await Bun.sleep(5);
        const [victim, ...others] = sources;
        victim!.child.kill('SIGKILL');
        await victim!.child.exited;
        if (round === 1) await stack.killGateway();
        if (round === 2) await broker.kill();
        sources = [...others, await startSource(mapping)];
        if (round === 1) await stack.startGateway();
        if (round === 2) await broker.start();
        await sendMore(2_000);
      }
      while ((await stack.total(type)).count < sent) await Bun.sleep(50);
      expect(await stack.total(type)).toEqual({ count: sent, sum: (sent * (sent - 1)) / 2 });
      for (const source of sources) await source.stop();
    },
    testMsMax,
  );

  test(
    'messages older than the window of duplicates are looked up before they are sent',
    async () => {
      await makeTopic(type);
      const old = BigInt(Date.now() - 3 * 86_400_000);
      await send(
        type,
        Array.from({ length: 50 }, (_, n) => ({ key: 's', value: `{"n": ${n}}`, timestamp: old })),
      );
      const mapping = `topics: { ${type}: { type: "=${type}", subject: key } }`;
      const first = await startSource(mapping);
      await first.until('accepted', 50);
      await first.stop();
      expect((await stack.total(type)).count).toBe(50);
      // As after a group whose offsets the brokers have forgotten.
      const second = await startSource(mapping, `${type}-again`);
      await second.until('stored', 50);
      expect(await second.messages()).toEqual({ accepted: 0, stored: 50, dead_letter: 0 });
      await second.stop();
      expect((await stack.total(type)).count).toBe(50);
    },
    testMsMax,
  );

  test(
    'says how many messages the retention removed before they were read, and goes on with the others',
    async () => {
      await makeTopic(type);
      const mapping = `topics: { ${type}: { type: "=${type}", subject: key } }`;
      const numbered = (from: number, count: number) =>
        Array.from({ length: count }, (_, n) => ({ key: 's', value: `{"n": ${from + n}}` }));
      await send(type, numbered(0, 10));
      const before = await startSource(mapping);
      await before.until('accepted', 10);
      await before.stop();
      await send(type, numbered(10, 20));
      const admin = new Admin(client());
      await admin.deleteRecords({ topics: [{ name: type, partitions: [{ partition: 0, offset: 25n }] }] });
      await admin.close();
      const after = await startSource(mapping);
      await after.until('accepted', 5);
      expect(after.log()).toContain('"messages":15,"msg":"the topic\'s retention removed messages');
      await after.stop();
      expect(await stack.total(type)).toEqual({ count: 15, sum: 45 + 25 + 26 + 27 + 28 + 29 });
    },
    testMsMax,
  );

  test(
    'waits, not ready and saying why, for a topic that is not there yet',
    async () => {
      const source = await startSource(`topics: { ${type}: cloudevents }`);
      while (!source.log().includes('"msg":"waiting"')) await Bun.sleep(20);
      await makeTopic(type);
      await send(type, [{ value: JSON.stringify(event(1)) }]);
      await source.until('accepted', 1);
      await source.stop();
    },
    testMsMax,
  );

  test.each(['PLAIN', 'SCRAM-SHA-256'])(
    'speaks TLS and SASL %s; a wrong password or authority is said, and nothing is taken',
    async (mechanism) => {
      await makeTopic(type);
      await send(type, [{ value: JSON.stringify(event(1)) }]);
      const mapping = `topics: { ${type}: cloudevents }`;
      const secure = {
        KAFKA_BROKERS: broker.secureAddress,
        KAFKA_TLS: 'on',
        KAFKA_CA_FILE: broker.caFile,
        KAFKA_SASL_MECHANISM: mechanism,
        KAFKA_USERNAME: secureUser.name,
        KAFKA_PASSWORD: secureUser.password,
      };
      for (const wrong of mechanism === 'PLAIN'
        ? [{ KAFKA_PASSWORD: 'another' }, { KAFKA_CA_FILE: '' }]
        : []) {
        const refused = await startSource(mapping, type, { ...secure, ...wrong });
        while (!refused.log().includes('"msg":"waiting"')) await Bun.sleep(20);
        expect(refused.log()).toMatch('KAFKA_CA_FILE' in wrong ? /certificate/i : /authentication/i);
        expect(await refused.messages()).toMatchObject({ accepted: 0 });
        await refused.stop();
      }
      const source = await startSource(mapping, type, secure);
      await source.until('accepted', 1);
      await source.stop();
    },
    testMsMax,
  );
});
