import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { type ExportDay, finishDay, markChangedDays, staleDays } from '@usage/db/exports/days.ts';
import { type ExportRun, finishRun, openRun, planRun } from '@usage/db/exports/runs.ts';
import { holdsLease, leaseTarget, releaseTarget, runsOf } from '@usage/db/exports/targets.ts';
import { type DayFile, writeEventFiles } from './events.ts';
import { type ExportStore, sha256Of } from './store.ts';
import type { Format } from './table.ts';
import { type ExportWindow, type RunnerOf, writeUsageFile } from './usage.ts';

export interface ExportOptions {
  format: Format;
  /** undefined: no usage, raw events alone. */
  window: ExportWindow | undefined;
  /** Events of a run, and so of its files. */
  eventsMax: number;
  /** Hours after its end (UTC) for which a day's usage waits for events that are late. */
  waitHours: number;
  log(line: string): void;
}

export interface Exported {
  runs: number;
  events: number;
  /** Days whose usage was written, first or anew. */
  days: number;
}

interface ManifestFile {
  path: string;
  day: string;
  rows: number;
  bytes: number;
  sha256: string;
  isLate?: boolean;
}

const daysAtOnce = 31;

/** What keeps an export from being made; the message says what to do. */
export class ExportError extends Error {
  override name = 'ExportError';
}

/**
 * Brings a target up to date. A run goes: 1. its batches are planned, and in no other run from then on; 2. its files are
 * written under names that only this run has; 3. its manifest names them: whoever reads the target reads what manifests
 * name; 4. the run is marked as done. After a crash the same run is done again, and files that are there stay as they are.
 */
export class Exporter {
  readonly #owner = crypto.randomUUID();

  constructor(
    readonly sql: Sql,
    readonly store: ExportStore,
    readonly runnerOf: RunnerOf,
    readonly options: ExportOptions,
  ) {}

  /** Throws an ExportError where another exporter is at work, or the target and the database don't belong together. */
  async export(): Promise<Exported> {
    await this.#lease();
    const exported = { runs: 0, events: 0, days: 0 };
    try {
      await this.store.tidyUp();
      await this.#requireOwnTarget();
      for (let run = await this.#nextRun(); run; run = await this.#nextRun()) {
        exported.events += await this.#exportEvents(run);
        exported.runs++;
      }
      if (this.options.window) exported.days = await this.#exportUsage(this.options.window);
    } finally {
      await releaseTarget(this.sql, this.store.name, this.#owner);
    }
    return exported;
  }

  async #lease(): Promise<void> {
    if (!(await leaseTarget(this.sql, this.store.name, this.#owner)))
      throw new ExportError(
        `Another exporter is at work on ${this.store.name}; its lease ends within 5 minutes.`,
      );
  }

  /** A database that was restored, or went back in a fail-over, would give the names of other events to new ones. */
  async #requireOwnTarget(): Promise<void> {
    const next = (await runsOf(this.sql, this.store.name)) + 1;
    if (!(await this.store.exists(manifestPath(next)))) return;
    throw new ExportError(
      `${this.store.name} holds ${manifestPath(next)}, which this database knows nothing of: it was filled by another ` +
        'database, or this one was restored to an earlier state. Export to another place.',
    );
  }

  async #nextRun(): Promise<ExportRun | undefined> {
    await this.#lease();
    const { name } = this.store;
    return (
      (await openRun(this.sql, name)) ??
      (await this.#asOwner((tx) => planRun(tx, name, this.options.eventsMax)))
    );
  }

  async #exportEvents(run: ExportRun): Promise<number> {
    const { format, log } = this.options;
    return await inTemporaryFolder(async (folder) => {
      const files = await writeEventFiles(this.sql, run, folder, format);
      const rows = files.reduce((sum, file) => sum + file.rows, 0);
      if (rows !== run.events)
        log(
          `run ${run.run}: ${run.events - rows} of ${run.events} events are no longer kept (EVENT_RETENTION_DAYS).`,
        );
      const listed: ManifestFile[] = [];
      for (const file of files) listed.push(await this.#put(eventsPath(file, run.run, format), file));
      const content = { kind: 'events', run: run.run, events: rows, files: listed };
      await this.#putJson(folder, manifestPath(run.run), content);
      const days = [...new Set(files.map(({ day }) => day))];
      await this.#asOwner((tx) => finishRun(tx, this.store.name, run.run, days));
      log(`run ${run.run}: ${rows} events in ${files.length} files`);
      return rows;
    });
  }

  async #exportUsage(window: ExportWindow): Promise<number> {
    const { name } = this.store;
    await this.#asOwner((tx) => markChangedDays(tx, name));
    let written = 0;
    for (;;) {
      const days = await staleDays(this.sql, name, this.options.waitHours, daysAtOnce);
      if (days.length === 0) return written;
      for (const day of days) if (await this.#exportDay(day, window)) written++;
    }
  }

  /** False where the day comes to the same as before. */
  async #exportDay(before: ExportDay, window: ExportWindow): Promise<boolean> {
    await this.#lease();
    const { format, log } = this.options;
    return await inTemporaryFolder(async (folder) => {
      const { day } = before;
      const localFile = join(folder, `usage.${format}`);
      const { rows, digest } = await writeUsageFile(this.sql, this.runnerOf, {
        day,
        window,
        path: localFile,
        format,
      });
      const isSame = digest === before.digest;
      const revision = before.revision + (isSame ? 0 : 1);
      if (!isSame) {
        const path = `usage/day=${day}/${revisionName(revision, digest)}.${format}`;
        const file = await this.#put(path, { day, localFile, rows });
        const content = { kind: 'usage', window, day, revision, files: [file] };
        await this.#putJson(folder, `manifest/usage-${day}-${revisionName(revision, digest)}.json`, content);
        log(`usage of ${day}: ${rows} rows, revision ${revision}`);
      }
      await this.#asOwner((tx) => finishDay(tx, this.store.name, { day, revision, digest }));
      return !isSame;
    });
  }

  async #put(
    path: string,
    file: Pick<DayFile, 'day' | 'localFile' | 'rows'> & { isLate?: boolean },
  ): Promise<ManifestFile> {
    const { day, localFile, rows, isLate } = file;
    await this.store.put(path, localFile);
    const listed = { path, day, rows, bytes: Bun.file(localFile).size, sha256: await sha256Of(localFile) };
    return isLate ? { ...listed, isLate } : listed;
  }

  async #putJson(folder: string, path: string, content: object): Promise<void> {
    const localFile = join(folder, 'manifest.json');
    await writeFile(localFile, `${JSON.stringify({ format: this.options.format, ...content }, null, 2)}\n`);
    await this.store.put(path, localFile);
  }

  /** Nothing is written by an exporter whose lease another one has taken over. */
  async #asOwner<T>(write: (tx: Transaction) => Promise<T>): Promise<T> {
    return (await this.sql.begin(async (tx) => {
      if (!(await holdsLease(tx, this.store.name, this.#owner)))
        throw new ExportError(`Another exporter has taken ${this.store.name} over: this one was too slow.`);
      return await write(tx);
    })) as T;
  }
}

function eventsPath({ day, isLate }: DayFile, run: number, format: Format): string {
  return `events/day=${day}/${runName(run)}${isLate ? '-late' : ''}.${format}`;
}

function manifestPath(run: number): string {
  return `manifest/${runName(run)}.json`;
}

function runName(run: number): string {
  return `run-${String(run).padStart(8, '0')}`;
}

/** A day that is done again after a crash may come to something else by then: the name says what the file holds. */
function revisionName(revision: number, digest: string): string {
  return `revision-${String(revision).padStart(4, '0')}-${digest.slice(0, 8)}`;
}

async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'usage-export-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
