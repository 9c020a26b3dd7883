import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Spool, SpooledBatch } from './spoolPort.ts';

export interface FileSpoolOptions {
  /** Bytes on disk; beyond it `track` answers false. */
  bytesMax?: number;
}

const bytesMaxByDefault = 1024 * 1024 * 1024;
const suffix = '.ndjson';
let opened = 0;

/**
 * A folder with a file for each batch that isn't acknowledged, an event a line. What `append` wrote survives the end of the
 * process, SIGKILL included; not a crash of the machine, since nothing is synced to the disk. One process a folder: what
 * lies there is taken for what a process before left.
 */
export class FileSpool implements Spool {
  readonly #bytesMax: number;
  readonly #deferred: string[];
  readonly #bytesOf = new Map<string, number>();
  #bytes = 0;
  #open: { name: string; file: number; bytes: number; isTorn: boolean } | undefined;

  /** Throws where the folder can't be made or read. */
  constructor(
    readonly folder: string,
    { bytesMax = bytesMaxByDefault }: FileSpoolOptions = {},
  ) {
    this.#bytesMax = bytesMax;
    mkdirSync(folder, { recursive: true });
    this.#deferred = readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .sort();
    for (const name of this.#deferred) this.#count(name, statSync(join(folder, name)).size);
  }

  get deferred(): number {
    return this.#deferred.length;
  }

  append(text: string): boolean {
    const bytes = Buffer.from(`${this.#open?.isTorn ? '\n' : ''}${text}\n`);
    if (this.#bytes + bytes.length > this.#bytesMax) return false;
    this.#open ??= this.#create();
    const written = writeSync(this.#open.file, bytes);
    this.#open.bytes += written;
    this.#bytes += written;
    // A line that was cut off counts for nothing: the next one begins on a line of its own.
    this.#open.isTorn = written < bytes.length;
    return !this.#open.isTorn;
  }

  seal(): string | undefined {
    if (!this.#open) return undefined;
    const { name, file, bytes } = this.#open;
    closeSync(file);
    this.#bytesOf.set(name, bytes);
    this.#open = undefined;
    return name;
  }

  done(name: string): void {
    rmSync(join(this.folder, name), { force: true });
    this.#bytes -= this.#bytesOf.get(name) ?? 0;
    this.#bytesOf.delete(name);
  }

  defer(name: string): void {
    this.#deferred.push(name);
  }

  next(): SpooledBatch | undefined {
    for (let name = this.#deferred.shift(); name !== undefined; name = this.#deferred.shift()) {
      const texts = readFileSync(join(this.folder, name), 'utf8').split('\n').filter(isEvent);
      if (texts.length > 0) return { name, texts, trackedMs: Number(name.split('-')[0]) || 0 };
      this.done(name);
    }
    return undefined;
  }

  close(): void {
    this.seal();
  }

  #create() {
    const name = `${Date.now()}-${process.pid}-${opened++}${suffix}`;
    return { name, file: openSync(join(this.folder, name), 'ax'), bytes: 0, isTorn: false };
  }

  #count(name: string, bytes: number): void {
    this.#bytesOf.set(name, bytes);
    this.#bytes += bytes;
  }
}

/** A line that was cut off when the process or the disk came to its end was never confirmed. */
function isEvent(line: string): boolean {
  try {
    return line !== '' && typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}
