import { parseArgs } from 'node:util';
import { faults } from './faults/index.ts';
import { appendPiece, type Piece, pieceOf, readPieces, summary } from './record.ts';
import { runSuite } from './suite.ts';

/**
 * `bun run test:fault [--rounds N] [--seed S] [--events N] [--rate N] [--quick] [--minutes M] [--record FILE] [fault …]`
 *
 * Rounds run in pieces that hold every chosen fault once, each with a seed of its own (S, S + 1, …), by which it can be
 * repeated. Each piece ends as a line of FILE; `--sum FILE` prints what all of its lines add up to. After M minutes, or
 * at SIGTERM or SIGINT, the round under way is the last one.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    events: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '20000' },
    quick: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    record: { type: 'string' },
    sum: { type: 'string' },
  },
});
const pieces = values.sum === undefined ? await runPieces() : await readPieces(values.sum);
console.log(summary(pieces));
process.exit(pieces.every(({ total }) => total.broken + total.lost + total.doubled === 0) ? 0 : 1);

async function runPieces(): Promise<Piece[]> {
  const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  const roundsPerPiece = positionals.length || faults.length;
  const rounds = Number(values.rounds ?? roundsPerPiece);
  const stopping = stopSignal();
  const done: Piece[] = [];
  for (let left = rounds; left > 0 && !stopping.aborted; left -= roundsPerPiece) {
    const options = {
      rounds: Math.min(left, roundsPerPiece),
      seed: firstSeed + done.length,
      events: Number(values.events),
      rate: Number(values.rate),
      names: positionals,
      quick: values.quick,
      stopping,
      say: console.log,
    };
    console.log(`seed ${options.seed}, ${options.rounds} rounds`);
    const startedMs = Date.now();
    const piece = pieceOf(options, startedMs, await runSuite(options));
    done.push(piece);
    if (values.record !== undefined) await appendPiece(values.record, piece);
  }
  return done;
}

function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort());
  if (values.minutes !== undefined)
    setTimeout(() => stopping.abort(), Number(values.minutes) * 60_000).unref();
  return stopping.signal;
}
