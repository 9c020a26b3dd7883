import type { Question } from '../questions.ts';
import type { Progress } from '../report.ts';
import type { EventFile } from './eventFile.ts';

/** One line of an answer. */
export interface AnswerRow {
  /** Start of the window, ms since 1970; null for a total. */
  windowMs: number | null;
  /** Values of the keys that were grouped by, in the order of the question. */
  groups: string[];
  value: number;
}

export interface Written {
  /** All that are stored afterwards. */
  events: number;
  /** While events were being written; conversion into what the system takes is not counted. */
  seconds: number;
}

export interface Disk {
  /** All tables, indexes and files as they are when writing ends, without logs and what is only in memory. */
  writtenBytes: number;
  /** The same after everything has been merged and compressed that the system merges and compresses by itself. */
  settledBytes: number;
  /** Logs that are written before, as they are on the disk when writing ends; 0: it has none. */
  walBytes: number;
}

/** What the table says of a system besides its figures. */
export interface PeerFacts {
  name: string;
  /** What becomes of an event that is sent twice. */
  sentTwice: string;
  /** How values are kept and summed. */
  numbers: string;
  /** What has happened to an event when its sender has the answer. */
  acknowledged: string;
  /** What answers are computed from, and what a meter costs that is made later. */
  answersFrom: string;
  writing: string;
  asking: string;
  settings: string;
}

/** A system with fresh data of its own, which `stop` removes. */
export interface Peer {
  facts: PeerFacts;
  /** How many are stored is counted in what is stored. May be called again, with events that are stored already. */
  write(file: EventFile, progress: Progress): Promise<Written>;
  settle(progress: Progress): Promise<Disk>;
  /** The n-th of the question's subjects, where it is about one. Rejects after `answerMsMax`. */
  ask(question: Question, n: number): Promise<AnswerRow[]>;
  stop(): Promise<void>;
}

/** Where a system can be had on this machine; `open` gets an empty folder of its own. */
export interface PeerKind {
  name: string;
  /** Why it can't be measured here, and what to do about it; undefined: it can. */
  missing(): Promise<string | undefined>;
  open(folder: string): Promise<Peer>;
}

/** No single answer is waited for longer. */
export const answerMsMax = 120_000;
/** What all write at once that take large batches, as OpenMeter's sink does. */
export const batchEvents = 10_000;
