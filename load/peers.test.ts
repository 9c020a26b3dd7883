import { expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { difference } from './peers/asking.ts';
import { markdown } from './peers/markdown.ts';
import type { AnswerRow } from './peers/peer.ts';
import type { Outcome } from './report.ts';

const runMsMax = 300_000;

test('answers that differ in a value, a window or a group are found; the last digits of doubles are no difference', () => {
  const row = (value: number, windowMs: number | null = 0, ...groups: string[]): AnswerRow => ({
    windowMs,
    groups,
    value,
  });
  const differs = (a: AnswerRow[], b: AnswerRow[]) => difference(new Map([['q', a]]), new Map([['q', b]]));

  expect(differs([row(0.3), row(5, null)], [row(5, null), row(0.1 + 0.2)])).toBeUndefined();
  expect(differs([row(7)], [row(8)])).toBe('q, 1970-01-01T00:00:00.000Z: 8 where 7 is right');
  expect(differs([row(7)], [])).toContain('nothing where 7 is right');
  expect(differs([], [row(7, null, 'gpt-5')])).toBe('q, total gpt-5: 7 where nothing is right');
  expect(differs([row(7, 0, 'input')], [row(7, 0, 'output')])).toContain('nothing where 7 is right');
});

test('a system that is not on the machine is named with what would bring it there', () => {
  expect(markdown([], { InfluxDB: 'influxd is not installed' })).toContain(
    'Left out: InfluxDB: influxd is not installed',
  );
});

test(
  'peers: the same events into each system on this machine, the same answers, one table',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'usage-load-test-'));
    const json = join(folder, 'outcomes.json');
    const main = join(import.meta.dirname, 'main.ts');
    const run = Bun.spawn(
      [process.execPath, main, 'peers', '--events', '5000', '--seconds', '0.2', '--json', json],
      { stdout: 'pipe', stderr: 'pipe' },
    );
    const [table, log, code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    if (code !== 0) throw new Error(`ended with ${code}:\n${log}`);
    const [{ figures }] = (await Bun.file(json).json()) as [Outcome];
    await rm(folder, { recursive: true });

    const own = figures['this system'] as Record<string, number>;
    expect(own.countedAgain).toBe(0);
    expect(own.storedPerSecond).toBeGreaterThan(0);
    expect(own.bytesSettled).toBeGreaterThan(0);
    expect(Object.keys(figures).some((name) => /INSERT … ON CONFLICT/.test(name))).toBe(true);
    for (const name of ['ClickHouse', 'InfluxDB']) {
      const measured = Object.keys(figures).some((system) => system.startsWith(name));
      expect(measured || table.includes(`Left out: ${name}`)).toBe(true);
    }
    expect(table).toContain('| one subject by day, a month: p50, p99 ms (answers) |');
  },
  runMsMax,
);
