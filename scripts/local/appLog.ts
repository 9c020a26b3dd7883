import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const fileBytesMax = 64 * 1024 * 1024;
const lastLinesMax = 12;
const shownLevels = new Set(['warn', 'error', 'fatal']);

/**
 * Takes an app's output line by line: everything into its file (the one before is kept as `.1` when the file is full),
 * and warnings and errors to `show`, readable.
 */
export class AppLog {
  #bytes: number;
  #last: string[] = [];

  constructor(
    readonly app: string,
    readonly file: string,
    readonly show: (line: string) => void,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.#bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  async read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const bytes of stream) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      this.#take(lines);
    }
    if (rest !== '') this.#take([rest]);
  }

  /** The newest lines, readable: why it died. */
  get lastLines(): string[] {
    return this.#last;
  }

  #take(lines: string[]): void {
    if (lines.length === 0) return;
    const text = `${lines.join('\n')}\n`;
    if (this.#bytes > fileBytesMax) {
      renameSync(this.file, `${this.file}.1`);
      this.#bytes = 0;
    }
    appendFileSync(this.file, text);
    this.#bytes += text.length;
    for (const line of lines) {
      const { level, readable } = describe(line);
      this.#last.push(readable);
      if (shownLevels.has(level)) this.show(`${this.app}  ${readable}`);
    }
    this.#last = this.#last.slice(-lastLinesMax);
  }
}

/** pino's JSON as one line for people; what isn't JSON (a crash) counts as an error. */
function describe(line: string): { level: string; readable: string } {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line);
  } catch {
    return { level: line.trim() === '' ? 'info' : 'error', readable: line };
  }
  const { level = 'info', time, service: _service, msg, err, ...rest } = entry as Record<string, string>;
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const error = (err as unknown as { message?: string } | undefined)?.message;
  const details = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const parts = [clock, level.toUpperCase(), msg, error ? `– ${error}` : '', ...details];
  return { level, readable: parts.filter(Boolean).join(' ') };
}
