import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { grouped, type Progress } from '../report.ts';
import {
  createDatabase,
  createEvents,
  eventsOnDisk,
  insertBatch,
  mergeAll,
  sumEvents,
} from '../sql/openMeter.ts';
import { answerMsMax, batchEvents, type Peer, type PeerKind } from './peer.ts';

const packages = join(import.meta.dirname, '../../.data/peers/chdb');
const program = join(import.meta.dirname, 'clickhouse.py');

interface Answer {
  version?: string;
  rows?: unknown[][];
  written?: number;
  seconds?: number;
  error?: string;
}

/** ClickHouse with the table and the queries of OpenMeter: chdb, the engine itself, in a Python process. */
export const clickhouse: PeerKind = {
  name: 'ClickHouse, OpenMeter’s schema',
  async missing() {
    const python = Bun.which('python3');
    const found = python && (await Bun.spawn([python, '-c', 'import chdb, pyarrow'], quiet()).exited) === 0;
    return found
      ? undefined
      : 'python3 can’t import chdb: python3 -m pip install --target .data/peers/chdb chdb';
  },
  open,
};

async function open(folder: string): Promise<Peer> {
  const engine = new Engine(folder);
  const { version } = await engine.next();
  await engine.run(createDatabase);
  await engine.run(createEvents);
  return {
    facts: {
      name: clickhouse.name,
      sentTwice:
        'stored and counted twice; OpenMeter can drop duplicates before, in its ingest or sink (`dedupe`, off by default)',
      numbers: 'doubles; OpenMeter’s `enableDecimalPrecision` (off by default) sums decimals of 19 places',
      acknowledged: 'in the page cache, not synced; what OpenMeter answers for is in Kafka before',
      answersFrom: 'the events, so a meter made later costs nothing',
      writing: `in process, columns of ${grouped(batchEvents)} events an INSERT, one at a time (OpenMeter’s sink writes 500 or more, by its setting); no HTTP, no validation, no Kafka`,
      asking: 'OpenMeter’s SQL through a pipe; no HTTP, no service before it',
      settings: `ClickHouse ${version} (chdb), its defaults; MergeTree by month, merged with OPTIMIZE … FINAL before it was asked`,
    },
    async write(file, progress) {
      const seconds = await engine.write(file.path, file.events, progress);
      return { seconds, events: (await onDisk(engine)).rows };
    },
    async settle(progress) {
      const { bytes: writtenBytes } = await onDisk(engine);
      progress('merging the parts');
      await engine.run(mergeAll);
      return { writtenBytes, settledBytes: (await onDisk(engine)).bytes, walBytes: 0 };
    },
    async ask(question, n) {
      const of = question.raw(n);
      const rows = await engine.run(sumEvents(of, answerMsMax / 1_000));
      return rows.map(([start, , value, ...groups]) => ({
        windowMs: of.window ? Number(start) * 1_000 : null,
        groups: groups as string[],
        value: value as number,
      }));
    },
    stop: () => engine.stop(),
  };
}

async function onDisk(engine: Engine): Promise<{ bytes: number; rows: number }> {
  const [bytes, rows] = (await engine.run(eventsOnDisk))[0] as [number, number];
  return { bytes, rows };
}

function quiet() {
  const env = existsSync(packages) ? { ...process.env, PYTHONPATH: packages } : process.env;
  return { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', env } as const;
}

/** The Python program: one command at a time. It ends with its stdin, also when this process is killed. */
class Engine {
  readonly #child;
  readonly #answers: AsyncIterator<string>;

  constructor(folder: string) {
    this.#child = Bun.spawn(['python3', program, folder], {
      ...quiet(),
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    this.#answers = linesOf(this.#child.stdout);
  }

  async next(): Promise<Answer> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the ClickHouse process ended with ${await this.#child.exited}`);
    const answer = JSON.parse(value) as Answer;
    if (answer.error !== undefined) throw new Error(`ClickHouse: ${answer.error}`);
    return answer;
  }

  async run(sql: string): Promise<unknown[][]> {
    this.#send({ run: sql });
    return (await this.next()).rows!;
  }

  /** Resolves to the seconds that the inserts took. */
  async write(path: string, events: number, progress: Progress): Promise<number> {
    this.#send({ write: path, insert: insertBatch, size: batchEvents });
    for (;;) {
      const answer = await this.next();
      if (answer.seconds !== undefined) return answer.seconds;
      progress(`${grouped(answer.written!)} of ${grouped(events)} events written`);
    }
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.#child.exited;
  }

  #send(command: object): void {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    this.#child.stdin.flush();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}
