import { pauseUnless } from '../../lib/service/pause.ts';
import { GatewayError } from './gateway.ts';
import { importFile } from './importFile.ts';
import { kindOf } from './options.ts';
import type { Place, PlacedFile } from './places.ts';
import type { WatchOptions } from './watchOptions.ts';

export interface Watch extends Omit<WatchOptions, 'place'> {
  place: Place;
  print(line: string): void;
  signal: AbortSignal;
}

const marks = { imported: '.imported.json', refused: '.refused.json' } as const;

/** A gateway that is away is asked again at the next look. */
const attemptsMax = 4;

interface Mark {
  /** Of the file as it was: another one of the same name is a new file. */
  bytes: number;
  version?: string;
  changedMs?: number;
  at: string;
  lines: string[];
}

/**
 * Imports every file that comes into a place, and writes beside it what became of it: NAME.imported.json, or
 * NAME.refused.json with the reason. A file is taken when it was left alone from one look to the next. One that is changed is
 * looked at again. While the gateway or the bucket is away files wait. After a crash a file is imported again, which changes nothing.
 */
export async function watchPlace(watch: Watch): Promise<void> {
  let before = new Map<string, string>();
  const done = new Map<string, string>();
  while (!watch.signal.aborted) {
    try {
      before = await look(watch, before, done);
    } catch (error) {
      watch.print(`the next look is in ${watch.seconds} s: ${(error as Error).message}`);
    }
    await pauseUnless(watch.signal, watch.seconds * 1_000);
  }
}

/** The state of every file there is; `done`: of those that nothing is left to do with. */
async function look(
  watch: Watch,
  before: ReadonlyMap<string, string>,
  done: Map<string, string>,
): Promise<Map<string, string>> {
  const present = new Map<string, string>();
  const files = await watch.place.list();
  const names = new Set(files.map(({ name }) => name));
  for (const file of files) {
    const kind = kindOf(file.name);
    if (kind === undefined || isMark(file.name) || !watch.takes(kind)) continue;
    if (watch.signal.aborted) break;
    const state = `${file.bytes} ${file.version}`;
    present.set(file.name, state);
    if (before.get(file.name) !== state || done.get(file.name) === state) continue;
    if ((await isMarked(watch.place, file, names)) || (await take(watch, file))) done.set(file.name, state);
  }
  for (const name of done.keys()) if (!present.has(name)) done.delete(name);
  return present;
}

/** False where the file has to wait. */
async function take(watch: Watch, { name, bytes, version }: PlacedFile): Promise<boolean> {
  const lines: string[] = [];
  let outcome: keyof typeof marks = 'imported';
  try {
    await watch.place.withFile(name, (path) =>
      importFile(watch.optionsFor(path, name), (line) => lines.push(line), attemptsMax),
    );
  } catch (error) {
    lines.push((error as Error).message);
    if (!isOfFile(error)) {
      watch.print(`${name} waits: ${lines.at(-1)}`);
      return false;
    }
    outcome = 'refused';
  }
  const mark: Mark = { bytes, version, at: new Date().toISOString(), lines };
  await watch.place.writeText(name + marks[outcome], `${JSON.stringify(mark, null, 2)}\n`);
  watch.print(`${name} ${outcome}: ${lines.at(-1)}`);
  return true;
}

/** Whether the same file would be refused again: not while the gateway is away, full or has another key, or a server fails. */
function isOfFile(error: unknown): boolean {
  if (error instanceof GatewayError) return error.status === 400 || error.status === 413;
  const { name, code } = error as { name?: string; code?: unknown };
  return name !== 'S3Error' && typeof code !== 'string';
}

async function isMarked(place: Place, file: PlacedFile, names: ReadonlySet<string>): Promise<boolean> {
  for (const suffix of Object.values(marks)) {
    if (!names.has(file.name + suffix)) continue;
    const mark = markIn(await place.readText(file.name + suffix));
    if (!mark || mark.bytes !== file.bytes) continue;
    // Marks of earlier releases have the time of a folder's file.
    if ((mark.version ?? String(mark.changedMs)) === file.version) return true;
  }
  return false;
}

function markIn(text: string | undefined): Mark | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Mark);
  } catch {
    return undefined;
  }
}

function isMark(name: string): boolean {
  return Object.values(marks).some((suffix) => name.endsWith(suffix));
}
