import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Rows, withClient } from '@usage/db/connection/client.ts';
import { migrate } from '@usage/db/schema/migrate.ts';
import type { LocalPostgres } from '../../scripts/local/postgres.ts';
import { waitUntil } from '../compose/stack.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { startTestPostgres } from '../support/servers.ts';
import { primarySettings, startStandby } from '../support/standby.ts';

/** A real primary and two real standbys: one that follows at once, one that is a second behind. */
let primary: LocalPostgres;
let quick: LocalPostgres;
let late: LocalPostgres;
let apps: RunningApps;
const startMsMax = 120_000;
const lagMsMax = 3_000;
const lateMs = 1_000;
/** Of a machine on which everything else runs as well. */
const busyMsMax = 20_000;

beforeAll(async () => {
  primary = await startTestPostgres({ settings: primarySettings });
  await migrate(primary.url, { direction: 'up' });
  quick = await startStandby(primary, 'quick', { max_standby_streaming_delay: 0 });
  late = await startStandby(primary, 'late', { recovery_min_apply_delay: lateMs });
  const { username, password, pathname } = new URL(primary.url);
  const host = ({ url }: LocalPostgres) => new URL(url).host;
  apps = await startApps({
    DATABASE_URL: primary.url,
    ASYNC_REPLICATION: 'allow',
    QUERY_DATABASE_URL: `postgres://${username}:${password}@${host(quick)},${host(late)}${pathname}`,
    QUERY_REPLICA_LAG_MS_MAX: `${lagMsMax}`,
  });
  await makeMeter('events');
  // Until both replicas have the meter and are taken for usable.
  await waitUntil('both replicas', 20_000, async () => (await usable()) === 2);
}, startMsMax);
afterAll(async () => {
  await apps?.stop();
  await Promise.all([late?.stop(), quick?.stop()]);
  await primary?.stop();
}, startMsMax);

describe('reads from replicas', () => {
  test('an answer holds all that its Usage-As-Of promises, also of a replica that is behind', async () => {
    const sent: { at: number; events: number }[] = [];
    let total = 0;
    const before = await readsFrom('replica');
    const answersMin = 40;
    let answers = 0;
    const sending = (async () => {
      while (answers < answersMin) {
        await send(1);
        total += 1;
        sent.push({ at: Date.now(), events: total });
        await Bun.sleep(5);
      }
    })();
    while (answers < answersMin) {
      const { count, asOfMs } = await ask('events');
      // Everything that was acknowledged before that instant, by the one clock of this machine.
      const promised = sent.findLast(({ at }) => at < asOfMs - 1)?.events ?? 0;
      expect(count).toBeGreaterThanOrEqual(promised);
      expect(Date.now() - asOfMs).toBeLessThan(lagMsMax + busyMsMax);
      answers++;
    }
    await sending;
    expect(await readsFrom('replica')).toBeGreaterThan(before + answers / 2);
  }, 30_000);

  test('Prefer: wait asks the primary: what was stored a moment ago is in the answer', async () => {
    await waitUntil('nothing waits', 20_000, async () => {
      const answer = await query('events', { Prefer: 'wait' });
      return answer.headers.get('usage-events-waiting') === '0';
    });
    for (let n = 0; n < 20; n++) {
      const { count: before } = await ask('events', { Prefer: 'wait' });
      await send(3, { Prefer: 'wait=5' });
      expect((await ask('events', { Prefer: 'wait' })).count).toBe(before + 3);
    }
  }, 30_000);

  test('a meter that no replica knows yet is found', async () => {
    for (let n = 0; n < 5; n++) {
      await makeMeter(`new_${n}`);
      expect((await query(`new_${n}`)).status).toBe(200);
    }
  });

  test('recovery conflicts end no query', async () => {
    const { count } = await ask('events', { Prefer: 'wait' });
    const before = await readsFrom('replica');
    const churning = withClient(primary.url, async (client) => {
      for (let n = 0; n < 30; n++) {
        // An exclusive lock, replayed at once on `quick`: whoever reads there is cancelled.
        await client.query('BEGIN; LOCK TABLE rollup_hours IN ACCESS EXCLUSIVE MODE; COMMIT');
        await client.query('SELECT pg_sleep(0.02)');
      }
    });
    let done = false;
    void churning.then(() => {
      done = true;
    });
    while (!done) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => query('events')));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    }
    await churning;
    expect((await ask('events', { Prefer: 'wait' })).count).toBe(count);
    const conflicts = 'SELECT sum(confl_lock)::int AS cancelled FROM pg_stat_database_conflicts';
    expect((await statement(quick, conflicts)).rows[0].cancelled).toBeGreaterThan(0);
    expect(await readsFrom('replica')).toBeGreaterThan(before);
  }, 30_000);

  test('replicas that stop replaying are left, and answer again once they have caught up', async () => {
    await Promise.all([quick, late].map((one) => statement(one, 'SELECT pg_wal_replay_pause()')));
    await send(1, { Prefer: 'wait=5' });
    await waitUntil('both are left', 20_000, async () => (await usable()) === 0);
    const primaryBefore = await readsFrom('primary');
    const { asOfMs } = await ask('events');
    expect(Date.now() - asOfMs).toBeLessThan(busyMsMax);
    expect(await readsFrom('primary')).toBe(primaryBefore + 1);
    await Promise.all([quick, late].map((one) => statement(one, 'SELECT pg_wal_replay_resume()')));
    await waitUntil('both answer again', 20_000, async () => (await usable()) === 2);
  }, 60_000);

  test('a replica that freezes, and one that is killed, cost no answer', async () => {
    const outcomes: number[] = [];
    let stop = false;
    const asking = Promise.all(
      Array.from({ length: 6 }, async () => {
        while (!stop) outcomes.push((await query('events')).status);
      }),
    );
    const frozen = await backends(quick.pid);
    for (const pid of [quick.pid, ...frozen]) process.kill(pid, 'SIGSTOP');
    await waitUntil('the frozen one is left', 20_000, async () => (await usable()) < 2);
    process.kill(late.pid, 'SIGKILL');
    await waitUntil('both are left', 20_000, async () => (await usable()) === 0);
    stop = true;
    await asking;
    for (const pid of [...frozen, quick.pid]) process.kill(pid, 'SIGCONT');
    expect(outcomes.length).toBeGreaterThanOrEqual(6);
    expect(outcomes.filter((status) => status !== 200)).toEqual([]);
    expect((await query('events')).status).toBe(200);
  }, 60_000);
});

/** On a standby that cancels what is in replay's way, this very statement may be. */
async function statement(server: LocalPostgres, text: string): Promise<Rows> {
  return await withClient(server.url, (client) => client.query(text)).catch((error) => {
    if (error.code !== '40001') throw error;
    return statement(server, text);
  });
}

async function backends(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`).text();
  return text.trim().split(' ').filter(Boolean).map(Number);
}

async function makeMeter(slug: string): Promise<void> {
  const body = JSON.stringify({ slug, eventType: 'call', aggregation: 'COUNT' });
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${apps.url}/api/v1/meters`, { method: 'POST', headers, body });
  expect(answer.status).toBeLessThan(300);
}

async function send(events: number, headers: Record<string, string> = {}): Promise<void> {
  const body = Array.from({ length: events }, () => ({
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: 's',
    type: 'call',
    subject: 'c',
  }));
  const type = { 'Content-Type': 'application/cloudevents-batch+json' };
  const answer = await fetch(`${apps.url}/api/v1/events`, {
    method: 'POST',
    headers: { ...type, ...headers },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBeLessThan(300);
}

function query(slug: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${apps.url}/api/v1/meters/${slug}/query`, { headers });
}

async function ask(
  slug: string,
  headers: Record<string, string> = {},
): Promise<{ count: number; asOfMs: number }> {
  const answer = await query(slug, headers);
  expect(answer.status).toBe(200);
  const { data } = (await answer.json()) as { data: { value: number }[] };
  return { count: data[0]?.value ?? 0, asOfMs: Date.parse(answer.headers.get('usage-as-of')!) };
}

async function sampleSum(name: string): Promise<number> {
  const text = await (await fetch(`${apps.queryUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const usable = () => sampleSum('usage_query_replica_usable{');
const readsFrom = (server: 'primary' | 'replica') => sampleSum(`usage_query_reads_total{from="${server}"}`);
