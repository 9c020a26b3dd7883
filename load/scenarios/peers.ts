import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stopWithParent } from '../../scripts/local/server.ts';
import { round } from '../measure.ts';
import { answersOf, askAll, difference, totalOf } from '../peers/asking.ts';
import { clickhouse } from '../peers/clickhouse.ts';
import { type EventFile, type Resend, writeEventFile, writeResend } from '../peers/eventFile.ts';
import { hypertable } from '../peers/hypertable.ts';
import { influx } from '../peers/influx.ts';
import { type Measured, markdown } from '../peers/markdown.ts';
import type { AnswerRow, PeerKind } from '../peers/peer.ts';
import { product } from '../peers/product.ts';
import { questions } from '../questions.ts';
import type { Figures } from '../report.ts';
import type { Run, Scenario } from '../scenario.ts';

const defaultEvents = 10_000_000;
const defaultSeconds = 5;
const monthMs = 30 * 86_400_000;
const folder = join(import.meta.dirname, '../../.data/load');

/** This system first: the others' answers are compared with its. */
const kinds = [product, clickhouse, influx, hypertable];

/**
 * The same events into this system and into what people would use instead, one after the other, and the same five questions
 * asked of each. A system that isn't on this machine is left out. Fails when one loses an event or answers otherwise than this
 * system; what was measured is printed nevertheless.
 */
export const peers: Scenario = async (run) => {
  if (run.urls) throw new Error('peers measures disk and starts its own stack: leave out --url.');
  const own = join(folder, `${process.pid}-peers`);
  await mkdir(own, { recursive: true });
  // Gigabytes, which are removed also when this process is ended by a signal.
  const keepAfterExit = stopWithParent(process.pid, 'TERM', own);
  try {
    const toMs = Date.now();
    const file = await writeEventFile(
      join(own, 'events.jsonl'),
      { events: run.events ?? defaultEvents, fromMs: toMs - monthMs, toMs },
      run.progress,
    );
    const resend = await writeResend(join(own, 'again.jsonl'), file);
    return await measureAll(run, own, { file, resend, toMs, wanted: new Map() });
  } finally {
    keepAfterExit();
    await rm(own, { recursive: true, force: true });
  }
};

async function measureAll(run: Run, own: string, material: Material) {
  const startedMs = performance.now();
  const measured: Measured[] = [];
  const leftOut: Record<string, string> = {};
  const failed: string[] = [];
  for (const kind of kinds) {
    run.progress(kind.name);
    const missing = await kind.missing();
    if (missing) leftOut[kind.name] = missing;
    else {
      const peer = measure(run, kind, join(own, 'peer'), material);
      await peer.then(
        (one) => measured.push(one),
        (error: Error) => {
          leftOut[kind.name] = `FAILED: ${error.message}`;
          failed.push(`${kind.name}: ${error.stack ?? error}`);
        },
      );
    }
  }
  const table = markdown(measured, leftOut);
  if (failed.length > 0) throw new Error(`${failed.join('\n')}\n\n${table}`);
  const minutes = round((performance.now() - startedMs) / 60_000, 1);
  return { name: 'peers', figures: { minutes, ...figures(measured) }, markdown: table };
}

interface Material {
  file: EventFile;
  resend: Resend;
  toMs: number;
  /** Empty until the first system has answered. */
  wanted: Map<string, AnswerRow[]>;
}

/** Writes, lets it merge and compress, compares the answers, asks for the time they take, then sends some events again. */
async function measure(
  run: Run,
  kind: PeerKind,
  folder: string,
  { file, resend, toMs, wanted }: Material,
): Promise<Measured> {
  const progress = (line: string) => run.progress(`${kind.name}: ${line}`);
  const asked = questions(toMs);
  await mkdir(folder, { recursive: true });
  try {
    const peer = await kind.open(folder);
    try {
      const written = await peer.write(file, progress);
      if (written.events !== file.events) {
        throw new Error(`of ${file.events} events ${written.events} are stored`);
      }
      const disk = await peer.settle(progress);
      const answers = await answersOf(peer, asked);
      if ([...answers.values()].every((rows) => rows.length === 0)) throw new Error('every answer is empty');
      if (wanted.size === 0) for (const [name, rows] of answers) wanted.set(name, rows);
      const differs = difference(wanted, answers);
      if (differs) throw new Error(`answers otherwise than the first system: ${differs}`);
      const latencies = await askAll(peer, asked, run.seconds ?? defaultSeconds, progress);
      const all = asked.find(({ name }) => name === 'allTotal')!;
      const before = await totalOf(peer, all);
      await peer.write(resend.file, progress);
      const countedAgain = ((await totalOf(peer, all)) - before) / resend.tokens;
      return { facts: peer.facts, written, disk, asked: latencies, countedAgain };
    } finally {
      await peer.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function figures(measured: readonly Measured[]): Figures {
  return Object.fromEntries(
    measured.map(({ facts, written, disk, asked, countedAgain }) => [
      facts.name,
      {
        storedPerSecond: Math.round(written.events / written.seconds),
        bytesWritten: Math.round(disk.writtenBytes / written.events),
        bytesSettled: Math.round(disk.settledBytes / written.events),
        countedAgain: round(countedAgain, 3),
        walMb: Math.round(disk.walBytes / 1e6),
        ...Object.fromEntries(Object.entries(asked).map(([name, one]) => [name, { ...one }])),
      },
    ]),
  );
}
