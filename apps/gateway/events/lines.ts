import type { Access, Identity } from '@usage/lib/auth/access.ts';
import { type EventIssue, issuesOf } from '@usage/lib/event/event.ts';
import { linesOf } from '@usage/lib/http/lines.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { ConcurrencyLimit } from '@usage/lib/service/concurrencyLimit.ts';
import { backfillOf, type Ingest, keepEvents } from './append.ts';
import { type Completion, completed } from './complete.ts';
import { type Preferences, preferenceApplied } from './prefer.ts';

/** A stream's events are kept in parts of at most so many events or characters, so many of them on their way at once. */
const partEventsMax = 500;
const partLengthMax = 256 * 1024;
const partsMax = 4;
const lineLengthMax = 1024 * 1024;
/** Streams read at once, in all and of one namespace; each holds a few parts. */
const streamsMax = 64;
const streamsPerNamespaceMax = 48;
/** Nothing costs a client less to send. */
const emptyLinesMax = 10_000;
const rejectedShownMax = 100;

const streams = new ConcurrencyLimit(streamsMax, streamsPerNamespaceMax);

/**
 * NDJSON: an event a line, however many. They are kept part by part as they come, so this is not all or nothing: a
 * Problem says how many lines, from the first on, are done with, and the client goes on after them. Sending a line again
 * is harmless. A bad line ends the stream, or is left out where the request is lenient.
 */
export async function ingestLines(
  ingest: Ingest,
  request: Request,
  access: Access,
  identity: Identity,
  preferences: Preferences,
  completion: Completion = { versionOptional: false },
): Promise<Response> {
  const { namespace } = identity;
  const { lenient } = preferences;
  const backfill = await backfillOf(ingest, namespace, request.headers);
  const stream = new EventLines(
    (texts) => {
      access.takeEvents(identity, texts.length);
      const text = `[${texts.join(',')}]`;
      const kept = { text, bytes: Buffer.byteLength(text), count: texts.length };
      return keepEvents(ingest, namespace, kept, { backfill });
    },
    lenient,
    completion,
  );
  if (!streams.take(namespace)) throw unavailable('As many streams as possible are being read already.', 1);
  try {
    for await (const lines of linesOf(request, { lineLengthMax, pauseMsMax: ingest.limits.bodyMsMax })) {
      for (const line of lines) {
        // Most lines only join their part: nothing to wait for.
        const sent = stream.take(line);
        if (sent) await sent;
      }
    }
    await stream.finish();
  } catch (error) {
    throw await stream.interrupted(error);
  } finally {
    streams.give(namespace);
  }
  const applied = preferenceApplied({ lenient, representation: false, waitSeconds: undefined });
  return Response.json(stream.summary(), { headers: applied });
}

class EventLines {
  readonly #keep: (texts: readonly string[]) => Promise<void>;
  readonly #lenient: boolean;
  readonly #completion: Completion;
  #texts: string[] = [];
  #length = 0;
  #line = 0;
  #emptyLines = 0;
  #accepted = 0;
  #rejected = 0;
  readonly #shown: { line: number; validationErrors: readonly EventIssue[] }[] = [];
  /** Parts on their way, the oldest first. */
  readonly #parts: { done: Promise<void>; events: number; lastLine: number }[] = [];
  /** Every line up to this one is kept, or left out. */
  #linesDone = 0;

  constructor(keep: (texts: readonly string[]) => Promise<void>, lenient: boolean, completion: Completion) {
    this.#keep = keep;
    this.#lenient = lenient;
    this.#completion = completion;
  }

  /** A promise where a part has to be sent before the next line. */
  take(line: string): Promise<void> | undefined {
    this.#line++;
    const text = line.trim();
    if (text === '') {
      if (++this.#emptyLines > emptyLinesMax)
        throw new BadLine([{ field: '', reason: 'is one of too many empty lines' }]);
      return undefined;
    }
    const issues = issuesOfLine(text);
    const whole = issues.length === 0 ? text : completed(text, this.#completion);
    if (whole === undefined) {
      this.#reject(issues);
      return undefined;
    }
    this.#texts.push(whole);
    this.#length += whole.length;
    const isFull = this.#texts.length >= partEventsMax || this.#length >= partLengthMax;
    return isFull ? this.#send() : undefined;
  }

  async finish(): Promise<void> {
    await this.#send();
    while (this.#parts.length > 0) await this.#answerOldest();
    this.#linesDone = this.#line;
  }

  /** The answer after an issue: what is wrong, and at which line the client goes on. */
  async interrupted(error: unknown): Promise<unknown> {
    try {
      // A bad line doesn't cost those before it.
      if (error instanceof BadLine) await this.#send();
      while (this.#parts.length > 0) await this.#answerOldest();
    } catch (newer) {
      return this.#problem(newer instanceof Problem ? newer : error);
    }
    if (error instanceof BadLine) this.#linesDone = this.#line - 1;
    return this.#problem(error);
  }

  summary() {
    return {
      received: this.#accepted + this.#rejected,
      accepted: this.#accepted,
      rejected: this.#rejected,
      events: this.#shown.map((bad) => ({ ...bad, outcome: 'rejected' })),
    };
  }

  #reject(issues: readonly EventIssue[]): void {
    if (!this.#lenient) throw new BadLine(issues);
    this.#rejected++;
    if (this.#shown.length < rejectedShownMax)
      this.#shown.push({ line: this.#line, validationErrors: issues });
  }

  async #send(): Promise<void> {
    if (this.#texts.length === 0) return;
    while (this.#parts.length >= partsMax) await this.#answerOldest();
    const texts = this.#texts;
    this.#texts = [];
    this.#length = 0;
    const done = this.#keep(texts);
    done.catch(() => {});
    this.#parts.push({ done, events: texts.length, lastLine: this.#line });
  }

  async #answerOldest(): Promise<void> {
    const { done, events, lastLine } = this.#parts[0]!;
    await done;
    this.#parts.shift();
    this.#accepted += events;
    this.#linesDone = lastLine;
  }

  #problem(error: unknown): unknown {
    const progress = { linesDone: this.#linesDone, accepted: this.#accepted, rejected: this.#rejected };
    const goOn = `Of this stream the lines up to ${this.#linesDone} are done with: go on after them.`;
    if (error instanceof BadLine) {
      const [{ field, reason } = { field: '', reason: '' }] = error.issues;
      const detail = `Line ${this.#line} is not valid: ${field === '' ? '' : `${field} `}${reason}. ${goOn}`;
      const validationErrors = error.issues.map((issue) => ({ line: this.#line, ...issue }));
      return new Problem('invalid_events', detail, { extensions: { ...progress, validationErrors } });
    }
    if (!(error instanceof Problem)) return error;
    const { code, detail, headers, extensions, cause } = error;
    return new Problem(code, `${detail} ${goOn}`, {
      ...(headers && { headers }),
      extensions: { ...extensions, ...progress },
      cause,
    });
  }
}

class BadLine extends Error {
  constructor(readonly issues: readonly EventIssue[]) {
    super('bad line');
  }
}

function issuesOfLine(text: string): readonly EventIssue[] {
  try {
    return issuesOf(JSON.parse(text));
  } catch {
    return [{ field: '', reason: 'is not JSON' }];
  }
}
