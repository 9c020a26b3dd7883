import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayFault } from './gateway.ts';
import { importFile } from './importFile.ts';
import { type ImportOptions, kindOf } from './options.ts';

export interface Watch {
  folder: string;
  seconds: number;
  /** Whether CSV files are taken, or JSON and NDJSON: the options are for one of them. */
  takesCsv: boolean;
  optionsFor(file: string): ImportOptions;
  print(line: string): void;
  signal: AbortSignal;
}

const marks = { imported: '.imported.json', refused: '.refused.json' } as const;

/** A gateway that is away is asked again at the next look. */
const attemptsMax = 4;

interface Mark {
  /** Of the file as it was: another one of the same name is a new file. */
  bytes: number;
  changedMs: number;
  at: string;
  lines: string[];
}

/**
 * Imports every file that comes into a folder, and writes beside it what became of it: NAME.imported.json, or
 * NAME.refused.json with the reason. A file is taken when it was left alone from one look to the next. One that is changed is
 * looked at again. While the gateway is away files wait. After a crash a file is imported again, which changes nothing.
 */
export async function watchFolder(watch: Watch): Promise<void> {
  let before = new Map<string, string>();
  while (!watch.signal.aborted) {
    const present = new Map<string, string>();
    for (const name of (await readdir(watch.folder)).sort()) {
      const kind = kindOf(name);
      if (kind === undefined || isMark(name) || (kind === 'csv') !== watch.takesCsv) continue;
      const state = await stateOf(join(watch.folder, name));
      if (state === undefined || watch.signal.aborted) continue;
      const text = `${state.bytes} ${state.changedMs}`;
      present.set(name, text);
      if (before.get(name) === text && !(await isDone(watch.folder, name, state)))
        await take(watch, name, state);
    }
    before = present;
    await pause(watch.seconds * 1_000, watch.signal);
  }
}

async function take(watch: Watch, name: string, state: Pick<Mark, 'bytes' | 'changedMs'>): Promise<void> {
  const path = join(watch.folder, name);
  const lines: string[] = [];
  let outcome: keyof typeof marks = 'imported';
  try {
    await importFile(watch.optionsFor(path), (line) => lines.push(line), attemptsMax);
  } catch (error) {
    const isRefused = !(error instanceof GatewayFault) || error.status !== undefined;
    lines.push((error as Error).message);
    if (!isRefused) return watch.print(`${name} waits: ${lines.at(-1)}`);
    outcome = 'refused';
  }
  const mark: Mark = { ...state, at: new Date().toISOString(), lines };
  await Bun.write(path + marks[outcome], `${JSON.stringify(mark, null, 2)}\n`);
  watch.print(`${name} ${outcome}: ${lines.at(-1)}`);
}

async function isDone(
  folder: string,
  name: string,
  state: Pick<Mark, 'bytes' | 'changedMs'>,
): Promise<boolean> {
  for (const suffix of Object.values(marks)) {
    const file = Bun.file(join(folder, name + suffix));
    const mark = (await file.json().catch(() => undefined)) as Mark | undefined;
    if (mark?.bytes === state.bytes && mark.changedMs === state.changedMs) return true;
  }
  return false;
}

function isMark(name: string): boolean {
  return Object.values(marks).some((suffix) => name.endsWith(suffix));
}

/** undefined: it is gone, or no file. */
async function stateOf(path: string): Promise<Pick<Mark, 'bytes' | 'changedMs'> | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? { bytes: found.size, changedMs: found.mtimeMs } : undefined;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
