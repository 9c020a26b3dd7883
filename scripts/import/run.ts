import { stat } from 'node:fs/promises';
import { checkEvents, type Findings } from './check.ts';
import { type CsvNotes, eventsOfCsv } from './csv.ts';
import { type Gateway, GatewayError, metersOf } from './gateway.ts';
import { type IdNotes, type ReadyEvent, withIds } from './ids.ts';
import { eventsOfJsonArray, eventsOfNdjson } from './json.ts';
import type { ImportOptions } from './options.ts';
import { eventsOfParquet } from './parquet.ts';
import type { Progress } from './progress.ts';
import { isRefused, Refusal, type RefusedRow } from './refusals.ts';
import { type CsvLayout, delimiterOf } from './rows.ts';
import { sendEvents } from './send.ts';
import { lookedUp, type StoredEvents } from './stored.ts';
import { encodingOf } from './text.ts';

/** What the check of a file found, and what the database has of it. */
export interface Checked {
  findings: Findings;
  notes: CsvNotes & IdNotes;
  layout: CsvLayout;
  /** undefined: the gateway couldn't be asked, and `notAsked` says why. */
  stored: StoredEvents | undefined;
  /** What was left unchecked, and why; for people. */
  notAsked: string[];
}

/** A file that is checked as a whole before anything of it is sent. */
export class ImportRun {
  readonly #gateway: Gateway;
  #size = 0;
  #changedMs = 0;

  constructor(
    readonly options: ImportOptions,
    readonly progress: Progress,
    attemptsMax: number,
  ) {
    const { url, key } = options;
    this.#gateway = { url, key, attemptsMax, onWait: () => progress.waiting() };
  }

  /** Reads the whole file; throws a Refusal where it can't be understood, a GatewayError where nobody can be asked. */
  async check(): Promise<Checked> {
    const { options } = this;
    const { size, mtimeMs } = await stat(options.file);
    [this.#size, this.#changedMs] = [size, mtimeMs];
    const layout = await this.#layout();
    const notes = { emptyRows: 0, totalsRows: 0, localTimes: 0, repeated: 0 };
    const notAsked: string[] = [];
    const mayGoOn = options.dryRun || options.firstImport;
    const attempts = options.dryRun ? 1 : undefined;
    const meters = await metersOf(this.#gateway, attempts).catch((error: unknown) => {
      // Whether events count is good to know; who may only send them can't.
      if (!(error instanceof GatewayError) || (error.status !== 403 && !mayGoOn)) throw error;
      notAsked.push(`Which events count wasn't checked: ${error.message}`);
      return undefined;
    });
    const mapping = options.csv?.mapping;
    const byTime = mapping?.idColumn === undefined && mapping?.times.dateOrder === undefined;
    const asked = lookedUp(
      this.#events(layout, notes, () => {}),
      this.#gateway,
      { byTime, attempts },
    );
    try {
      const findings = await checkEvents(asked.events, meters);
      return { findings, notes, layout, stored: asked.stored, notAsked };
    } catch (error) {
      if (!(error instanceof GatewayError) || !mayGoOn) throw error;
      notAsked.push(`Which events are stored already wasn't checked: ${error.message}`);
      const findings = await checkEvents(
        this.#events(layout, noNotes(notes), () => {}),
        meters,
      );
      return { findings, notes, layout, stored: undefined, notAsked };
    }
  }

  /** Sends what isn't stored yet. */
  async send({ layout, stored }: Checked): Promise<{ events: number; requests: number }> {
    const { size, mtimeMs } = await stat(this.options.file);
    if (size !== this.#size || mtimeMs !== this.#changedMs)
      throw new Refusal(`${this.options.file} was changed while it was checked: run the import again.`);
    const events = this.#events(
      layout,
      { emptyRows: 0, totalsRows: 0, localTimes: 0, repeated: 0 },
      (bytes) => this.progress.read(bytes),
    );
    return await sendEvents(notStored(events, stored), {
      gateway: this.#gateway,
      batchEvents: this.options.batchEvents,
      onSent: (count) => this.progress.sent(count),
    });
  }

  async #layout(): Promise<CsvLayout> {
    const { file, csv, encoding: given } = this.options;
    const plain = { delimiter: ',', headerLine: 1, keepStrayQuotes: false };
    if (this.options.kind === 'parquet') return { encoding: 'parquet', ...plain };
    const encoding = await encodingOf(file, given);
    if (!csv) return { encoding, ...plain };
    const headerLine = csv.headerLine ?? 1;
    const delimiter = await delimiterOf(file, encoding, csv.delimiter, headerLine);
    return { encoding, delimiter, headerLine, keepStrayQuotes: csv.keepStrayQuotes };
  }

  #events(
    layout: CsvLayout,
    notes: CsvNotes & IdNotes,
    onBytes: (bytes: number) => void,
  ): AsyncGenerator<ReadyEvent | RefusedRow> {
    const { kind, file, csv, source } = this.options;
    switch (kind) {
      case 'ndjson':
        return withIds(source, eventsOfNdjson(file, layout.encoding, onBytes), notes);
      case 'json':
        return withIds(source, eventsOfJsonArray(file, layout.encoding, onBytes), notes);
      case 'csv':
        return withIds(source, eventsOfCsv(file, layout, csv!.mapping, notes, onBytes), notes);
      case 'parquet':
        return withIds(source, eventsOfParquet(file, csv?.mapping, notes, onBytes), notes);
      default:
        return kind satisfies never;
    }
  }
}

function noNotes(notes: CsvNotes & IdNotes): CsvNotes & IdNotes {
  return Object.assign(notes, { emptyRows: 0, totalsRows: 0, localTimes: 0, repeated: 0 });
}

async function* notStored(
  events: AsyncIterable<ReadyEvent | RefusedRow>,
  stored: StoredEvents | undefined,
): AsyncGenerator<ReadyEvent> {
  for await (const event of events) if (!isRefused(event) && !stored?.has(event)) yield event;
}
