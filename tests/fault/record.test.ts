import { expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appendPiece, pieceOf, readPieces, summary } from './record.ts';
import type { RoundReport } from './round.ts';

const round: RoundReport = {
  ...{ round: 1, fault: 'processor-killed', strikes: 2, sent: 120, accepted: 100, retried: 15 },
  ...{ stored: 100, duplicates: 5, lost: 0, takenAway: 0, doubled: 0, backlog: 40, recoveryMs: 3_000 },
  tookMs: { ready: 1, strikes: 1, recovery: 3_000, accepted: 1, reconciliation: 1 },
  stuck: false,
  broken: [],
  notes: [],
};
const options = { seed: 7, quick: true, events: 100, rate: 1_000 };

test('pieces of several runs add up to one summary, and nothing broken is left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'usage-record-'));
  const file = join(folder, 'record.jsonl');
  const flushed = { ...round, round: 2, fault: 'redis-flushed', stored: 90, takenAway: 10, recoveryMs: 500 };
  await appendPiece(file, pieceOf(options, Date.now(), { rounds: [round, flushed], skipped: new Map() }));
  const worse = { ...round, recoveryMs: 9_000, backlog: 70, lost: 1, stored: 99, broken: ['1 lost'] };
  const second = pieceOf({ ...options, seed: 8 }, Date.now(), {
    rounds: [worse],
    skipped: new Map([['postgres-disk-full', 'no root']]),
  });
  await appendPiece(file, second);
  const lines = summary(await readPieces(file)).split('\n');
  await rm(folder, { recursive: true });
  expect(lines).toEqual([
    'processor-killed rounds 2, sent 240, accepted 200, retried 30, stored 199, duplicates 10, lost 1, doubled 0, stuck 0, rounds with a broken promise 1, slowest recovery 9.0 s with a backlog of 70',
    'redis-flushed    rounds 1, sent 120, accepted 100, retried 15, stored 90, duplicates 5, lost 0 (taken away by the fault 10), doubled 0, stuck 0, rounds with a broken promise 0, slowest recovery 0.5 s with a backlog of 40',
    'BROKEN seed 8 round 1 processor-killed: 1 lost',
    'SKIPPED postgres-disk-full: no root',
    expect.stringMatching(
      /^commits \S*, seeds 7, 8: rounds 3, sent 360, accepted 300, .*lost 1 \(taken away by the fault 10\), .*broken promise 1, slowest recovery 9\.0 s/,
    ),
  ]);
});
