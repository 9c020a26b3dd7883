import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestRedis, temporaryFolder } from '@usage/tests/support/servers.ts';
import { Redis } from 'ioredis';
import { freePort } from '../../scripts/local/ports.ts';
import { redisBinary } from '../../scripts/local/redisBinary.ts';
import { createLog } from '../service/log.ts';
import { connectRedis, connectSubscribers, type RedisServers } from './redis.ts';
import { EventStream } from './stream.ts';
import { Subscriber } from './subscriber.ts';

const log = createLog('test', 'silent');
const frame = Buffer.from('frame');
const undo: (() => unknown)[] = [];
let redis: RedisServers | undefined;
afterEach(() => redis?.disconnect());
afterAll(async () => {
  for (const step of undo.toReversed()) await step();
});

async function connected(url: string, caFile?: string): Promise<RedisServers> {
  redis = connectRedis({ url, caFile, name: 'test', log, commandMsMax: 1_000 });
  while (!redis.isReady) await Bun.sleep(10);
  return redis;
}

async function startSentinel(folder: string, primaryPort: number): Promise<number> {
  const port = await freePort();
  const file = join(folder, `sentinel-${port}.conf`);
  const settings = [
    ...[`port ${port}`, 'bind 127.0.0.1', `sentinel monitor usage 127.0.0.1 ${primaryPort} 2`],
    ...['sentinel down-after-milliseconds usage 1000', 'sentinel failover-timeout usage 5000'],
  ];
  await writeFile(file, settings.join('\n'));
  const command = [await redisBinary(), file, '--sentinel'];
  const child = Bun.spawn(command, { stdout: 'ignore', stderr: 'ignore' });
  undo.push(() => child.kill('SIGKILL'));
  return port;
}

test('Sentinel: the primary dies, and the same client goes on with the one that took over, messages too', async () => {
  const [primary, replica] = await Promise.all([startTestRedis(), startTestRedis()]);
  undo.push(primary.stop, replica.stop);
  const primaryPort = Number(new URL(primary.url).port);
  const admin = new Redis(replica.url);
  undo.push(() => admin.disconnect());
  await admin.call('REPLICAOF', '127.0.0.1', primaryPort);
  while (!(await admin.info('replication')).includes('master_link_status:up')) await Bun.sleep(20);
  const folder = await temporaryFolder('usage-test-sentinel-');
  const ports = await Promise.all([1, 2, 3].map(() => startSentinel(folder, primaryPort)));
  const first = new Redis(ports[0]!, '127.0.0.1');
  undo.push(() => first.disconnect());
  while (!/slaves=1,sentinels=3/.test(await first.info('sentinel'))) await Bun.sleep(50);

  const url = `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/usage`;
  const stream = new EventStream(await connected(url), 'usage', { replicasMin: 1, replicasMsMax: 500 });
  const subscriber = new Subscriber(
    connectSubscribers({ url, name: 'subscriber', log, commandMsMax: 1_000 }),
    log,
  );
  undo.push(() => subscriber.disconnect());
  const messages: string[] = [];
  await subscriber.listen('channel', (message) => messages.push(message));
  await stream.append(frame, 1);
  process.kill(primary.pid, 'SIGKILL');
  await expect(stream.append(frame, 1)).rejects.toThrow();

  const alone = new EventStream(redis!, 'usage');
  let after: { id: string } | undefined;
  while (!after) after = await alone.append(frame, 1).catch(() => Bun.sleep(50).then(() => undefined));
  expect((await alone.position()).frames).toBe(2);
  while (messages.length === 0) {
    await alone
      .shard(0)
      .client.publish('channel', 'after')
      .catch(() => {});
    await Bun.sleep(50);
  }
  expect(messages[0]).toBe('after');
}, 60_000);

describe('TLS with an authority of our own, and an ACL user', () => {
  test('the certificate is checked, and the user may do what the apps do', async () => {
    const folder = await temporaryFolder('usage-test-tls-');
    await mkdir(folder, { recursive: true });
    const openssl = (...args: string[]) => {
      const { success, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder });
      if (!success) throw new Error(stderr.toString());
    };
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem');
    const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-keyout', 'redis.key', '-out', 'redis.pem'];
    openssl('req', '-x509', ...key, ...name, ...signed);
    const tlsPort = await freePort();
    const server = await startTestRedis({
      'tls-port': String(tlsPort),
      'tls-cert-file': join(folder, 'redis.pem'),
      'tls-key-file': join(folder, 'redis.key'),
      'tls-ca-cert-file': join(folder, 'ca.pem'),
      'tls-auth-clients': 'no',
    });
    undo.push(server.stop);
    const admin = new Redis(server.url);
    undo.push(() => admin.disconnect());
    const rules =
      'on >p@ss/50% ~{usage* ~usage:* &{usage* -@all +@stream +@scripting +@pubsub +@connection +info +memory|usage +incrby +get +set ' +
      '+del +exists +hget +hset +hdel +hincrby +hsetnx +pttl +expire +time +wait +cluster|slots +cluster|shards';
    await admin.call('ACL', 'SETUSER', 'app', ...rules.split(' '));
    const url = `rediss://app:p%40ss%2F50%25@127.0.0.1:${tlsPort}`;

    const refused = connectRedis({ url, name: 'test', log, commandMsMax: 1_000 });
    const error = await new Promise<Error>((resolve) => refused.home.once('error', resolve));
    expect(error.message).toMatch(/certificate|self.signed/i);
    refused.disconnect();

    const stream = new EventStream(await connected(url, join(folder, 'ca.pem')), 'usage', { replicasMin: 0 });
    const { id } = await stream.append(frame, 2);
    expect(id).toMatch(/^\d+-\d+$/);
    expect(await stream.position()).toMatchObject({ eventsWaiting: 2 });
    const [look] = await stream.look();
    expect(look).toMatchObject({ frames: 1, server: { hasAppendOnlyFile: true } });
  }, 30_000);
});
