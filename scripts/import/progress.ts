const barWidth = 30;
const drawEveryMs = 100;

/** A bar on the terminal; nothing where standard error isn't one. */
export class Progress {
  readonly #startedMs = performance.now();
  #readBytes = 0;
  #sentEvents = 0;
  #drawnMs = 0;
  #waits = false;

  constructor(readonly totalBytes: number) {}

  read(bytes: number): void {
    this.#readBytes += bytes;
  }

  sent(events: number): void {
    this.#sentEvents += events;
    this.#waits = false;
    this.#draw();
  }

  waiting(): void {
    this.#waits = true;
    this.#draw();
  }

  done(): void {
    this.#readBytes = this.totalBytes;
    this.#drawnMs = 0;
    this.#draw();
    if (process.stderr.isTTY) process.stderr.write('\n');
  }

  #draw(): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.#drawnMs < drawEveryMs) return;
    this.#drawnMs = nowMs;
    const share = this.totalBytes === 0 ? 1 : Math.min(1, this.#readBytes / this.totalBytes);
    const bar = '█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '░');
    const rate = Math.round((this.#sentEvents / (nowMs - this.#startedMs)) * 1_000);
    const state = this.#waits ? 'the gateway asks to wait' : `${rate.toLocaleString('en')}/s`;
    process.stderr.write(
      `\r${bar} ${String(Math.round(share * 100)).padStart(3)} %  ${this.#sentEvents.toLocaleString('en')} events  ${state}   `,
    );
  }
}
