import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientOptions, UsageClient } from '../../clients/typescript/src/index.ts';
import { FileSpool } from '../../clients/typescript/src/spool.ts';
import { startClientTest } from './stack.ts';

type Stack = Awaited<ReturnType<typeof startClientTest>>;
let stack: Stack;
let folder: string;
let types = 0;
let type: string;

beforeAll(async () => {
  stack = await startClientTest();
  folder = await mkdtemp(join(tmpdir(), 'usage-client-'));
  await stack.startGateway();
});
beforeEach(async () => {
  type = `client_${types++}`;
  await stack.meter(type);
});
afterAll(async () => {
  await stack.stop();
  await rm(folder, { recursive: true });
});

const options = (more: Partial<ClientOptions> = {}): ClientOptions => ({
  url: stack.url,
  source: 'test',
  onError: () => {},
  ...more,
  limits: { lingerMs: 5, retryMsMax: 20, ...more.limits },
});
const event = (n: number, more = {}) => ({
  type,
  subject: 's',
  data: { n, model: n % 2 ? 'odd' : 'even' },
  ...more,
});
const sumTo = (count: number) => (count * (count - 1)) / 2;

describe('track', () => {
  test('sends everything before close resolves, and queries are typed', async () => {
    const client = new UsageClient(options());
    for (let n = 0; n < 2_000; n++) expect(client.track(event(n))).toBe(true);
    expect(await client.close()).toEqual({ unsent: 0 });
    expect(await stack.total(type)).toEqual({ count: 2_000, sum: sumTo(2_000) });
    const reader = new UsageClient(options());
    const { data, asOf, eventsWaiting } = await reader.query<'model'>(`${type}_count`, {
      groupBy: ['subject', 'model'],
      filterGroupBy: { model: 'odd' },
      subject: 's',
      from: new Date(Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000),
    });
    expect(data.map(({ value, subject, groupBy }) => [value, subject, groupBy.model])).toEqual([
      [1_000, 's', 'odd'],
    ]);
    expect({ asOf, eventsWaiting }).toEqual({ asOf: expect.any(String), eventsWaiting: 0 });
    await expect(reader.query('none')).rejects.toThrow('404');
    await reader.close();
  });

  test('survives a gateway that is killed again and again: nothing lost, nothing twice', async () => {
    const client = new UsageClient(options({ limits: { batchEventsMax: 20 } }));
    let tracked = 0;
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 200; n++) client.track(event(tracked++));
      await Bun.sleep(3);
      await stack.killGateway();
      for (let n = 0; n < 200; n++) client.track(event(tracked++));
      await stack.startGateway();
    }
    await client.flush();
    expect(await client.close()).toEqual({ unsent: 0 });
    expect(await stack.total(type)).toEqual({ count: tracked, sum: sumTo(tracked) });
  });

  test('says no when the buffer is full, and yes again after room()', async () => {
    await stack.killGateway();
    const errors: Error[] = [];
    const client = new UsageClient(
      options({
        limits: { bufferEventsMax: 100, batchEventsMax: 10 },
        onError: (error) => errors.push(error),
      }),
    );
    const taken = Array.from({ length: 150 }, (_, n) => client.track(event(n)));
    expect(taken.filter(Boolean).length).toBe(100);
    expect(taken[99] && !taken[100]).toBe(true);
    await stack.startGateway();
    await client.room();
    expect(client.track(event(100))).toBe(true);
    await client.close();
    expect(errors.length).toBeGreaterThan(0);
    expect(await stack.total(type)).toEqual({ count: 101, sum: sumTo(101) });
  });

  test('names an event that the gateway refuses, and keeps the others of its batch', async () => {
    const rejected: unknown[] = [];
    const client = new UsageClient(options({ onRejected: (events) => rejected.push(...events) }));
    client.track(event(1));
    client.track(event(2, { time: 'yesterday' }));
    client.track(event(4));
    await client.flush();
    client.track(event(8, { time: 'tomorrow' }));
    await client.close();
    expect(rejected).toMatchObject([
      { event: { data: { n: 2 } }, reason: expect.stringContaining('time') },
      { event: { data: { n: 8 } }, reason: expect.stringContaining('time') },
    ]);
    expect(await stack.total(type)).toEqual({ count: 2, sum: 5 });
  });

  test('throws at once for what is no event, wrong options and a closed client', async () => {
    const client = new UsageClient(options());
    expect(() => client.track(event(1, { subject: '' }))).toThrow('subject');
    expect(() => client.track(event(1, { data: [] }))).toThrow('data');
    expect(() => new UsageClient({ url: 'localhost', source: '', limits: { lingerMs: -1 } })).toThrow(
      /url.*source.*lingerMs/,
    );
    await client.close();
    expect(() => client.track(event(1))).toThrow('closed');
  });
});

describe('the end of a process', () => {
  const tracker = (...args: string[]) =>
    Bun.spawn([process.execPath, join(import.meta.dirname, 'tracker.ts'), stack.url, type, ...args], {
      stdout: 'pipe',
      stderr: 'inherit',
    });

  test('sends what is held, without close', async () => {
    expect(await tracker('0', '120').exited).toBe(0);
    expect(await stack.total(type)).toEqual({ count: 120, sum: sumTo(120) });
  });

  /** Kills it once so many numbers were confirmed; answers with the last one. */
  async function trackUntilKilled(first: number, spool: string, lines: number): Promise<number> {
    const child = tracker(String(first), '1000000', spool);
    let text = '';
    for await (const chunk of child.stdout) {
      text += new TextDecoder().decode(chunk);
      if (text.split('\n').length > lines) child.kill('SIGKILL');
    }
    await child.exited;
    return Number(text.split('\n').at(-2));
  }

  test('by SIGKILL loses nothing that a spool confirmed, with the gateway killed beside it', async () => {
    const spool = join(folder, type);
    const confirmed: Record<string, number> = {};
    for (let round = 0; round < 5; round++) {
      if (round === 2) await stack.killGateway();
      if (round === 4) await stack.startGateway();
      const first = round * 1_000_000;
      confirmed[`from-${first}`] = await trackUntilKilled(first, spool, 3 + 29 * round);
    }
    const client = new UsageClient(options({ spool: new FileSpool(spool) }));
    await client.flush();
    expect(await client.close()).toEqual({ unsent: 0 });
    expect(await readdir(spool)).toEqual([]);
    await stack.total(type);
    const counts = await stack.bySubject(`${type}_count`);
    const lasts = await stack.bySubject(`${type}_max`);
    for (const [subject, last] of Object.entries(confirmed)) {
      const first = Number(subject.slice('from-'.length));
      expect(lasts[subject]).toBeGreaterThanOrEqual(last);
      expect(counts[subject]).toBe(lasts[subject]! - first + 1); // none between is missing, none is there twice
    }
  });
});

describe('a spool', () => {
  test('keeps what memory has no room for, until the gateway is back', async () => {
    await stack.killGateway();
    const spool = new FileSpool(join(folder, type));
    const client = new UsageClient(options({ spool, limits: { bufferEventsMax: 50, batchEventsMax: 10 } }));
    for (let n = 0; n < 500; n++) expect(client.track(event(n))).toBe(true);
    expect(client.pending).toBeLessThanOrEqual(60);
    await stack.startGateway();
    await client.flush();
    await client.close();
    expect(await stack.total(type)).toEqual({ count: 500, sum: sumTo(500) });
    expect(await readdir(join(folder, type))).toEqual([]);
  });

  test('that is full says no; a line that was cut off is left out', async () => {
    const path = join(folder, type);
    const spool = new FileSpool(path, { bytesMax: 1_000 });
    await stack.killGateway();
    const client = new UsageClient(options({ spool }));
    const taken = Array.from({ length: 20 }, (_, n) => client.track(event(n))).filter(Boolean).length;
    expect(taken).toBeGreaterThan(2);
    expect(taken).toBeLessThan(20);
    expect(await client.close({ msMax: 1 })).toEqual({ unsent: taken });
    const [file] = await readdir(path);
    await Bun.write(join(path, file!), `${await Bun.file(join(path, file!)).text()}{"id":"cut o`);
    await stack.startGateway();
    const next = new UsageClient(options({ spool: new FileSpool(path) }));
    await next.flush();
    await next.close();
    expect(await stack.total(type)).toEqual({ count: taken, sum: sumTo(taken) });
  });

  test('of days ago asks what is stored before it sends', async () => {
    const path = join(folder, type);
    const old = [1, 2].map((n) =>
      JSON.stringify({ specversion: '1.0', id: `${type}-${n}`, source: 'old', ...event(n) }),
    );
    await fetch(`${stack.url}/api/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents-batch+json', Prefer: 'wait=10' },
      body: `[${old[0]}]`,
    });
    await Bun.write(join(path, `${Date.now() - 3 * 86_400_000}-1-0.ndjson`), `${old.join('\n')}\n`);
    const sent: string[] = [];
    const watched = ((url: string, init: RequestInit) => {
      if (url.endsWith('/api/v1/events')) sent.push(init.body as string);
      return fetch(url, init);
    }) as typeof fetch;
    const client = new UsageClient(options({ spool: new FileSpool(path), fetch: watched }));
    await client.flush();
    await client.close();
    expect(sent.map((body) => JSON.parse(body).map(({ id }: { id: string }) => id))).toEqual([[`${type}-2`]]);
    expect(await stack.total(type)).toEqual({ count: 2, sum: 3 });
  });
});
