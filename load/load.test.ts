import { expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from './report.ts';

const runMsMax = 180_000;

test(
  'batch: real processes, reconciliation that balances, JSON for machines',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'usage-load-test-'));
    const json = join(folder, 'outcomes.json');
    const command = [
      process.execPath,
      join(import.meta.dirname, 'main.ts'),
      'batch',
      '--seconds',
      '1',
      '--json',
      json,
    ];
    const run = Bun.spawn(command, { stdout: 'pipe', stderr: 'pipe' });
    const [table, log, code] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    if (code !== 0) throw new Error(`ended with ${code}:\n${log}`);
    const outcomes = (await Bun.file(json).json()) as Outcome[];
    await rm(folder, { recursive: true });

    expect(outcomes.map(({ name }) => name)).toEqual(['batch']);
    const { ratio, figures } = outcomes[0]!;
    const reconciliation = figures.reconciliation as Record<string, number>;
    expect(ratio).toBeGreaterThan(0);
    expect(figures.storedPerSecond).toBeGreaterThan(0);
    expect(reconciliation.accepted).toBeGreaterThan(0);
    expect(reconciliation.accepted).toBe(
      reconciliation.stored! + reconciliation.duplicates! + reconciliation.deadLetters!,
    );
    expect(figures.cpuSeconds).toContainKeys(['gateway', 'processor', 'aggregator', 'query', 'driver']);
    expect(figures.peakMemoryMb).toContainKeys(['gateway', 'processor', 'redis', 'postgres']);
    expect(table).toContain('batch: ');
  },
  runMsMax,
);

test('an unknown scenario is refused with the list of those there are', async () => {
  const run = Bun.spawn([process.execPath, join(import.meta.dirname, 'main.ts'), 'faster'], {
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const log = await new Response(run.stderr).text();
  expect(await run.exited).toBe(2);
  expect(log).toContain('There is no scenario faster.');
  expect(log).toContain('batch, single, dirty');
});
