import { readFileSync, statSync } from 'node:fs';
import { type LocalApp, startApp } from '../../scripts/local/app.ts';

export interface AppOptions {
  /** `processor`, or `processor2` for a second one. */
  name: string;
  url: string;
  env: Record<string, string>;
  logFile: string;
  /** Of another build: the repository's folder that it runs from. */
  root?: string | undefined;
}

const restartMsMin = 100;
const restartMsMax = 600;

/**
 * An app as an operator runs it: a process that is started again whenever it ends, as `restart: unless-stopped` does.
 * Ends that nobody here asked for are kept: an app that dies by itself is a fault of its own.
 */
export class AppProcess {
  readonly name: string;
  readonly url: string;
  /** Ends that were not asked for, with their last lines. */
  readonly crashes: string[] = [];
  starts = 0;
  #options: AppOptions;
  #app: LocalApp | undefined;
  #wanted = false;
  #endAsked = false;
  #frozen = false;

  constructor(options: AppOptions) {
    this.name = options.name;
    this.url = options.url;
    this.#options = options;
  }

  get env(): Record<string, string> {
    return this.#options.env;
  }

  get lastLines(): string[] {
    return this.#app?.log.lastLines ?? [];
  }

  /** Where its log ends now, for hasLogged(). */
  get logBytes(): number {
    return statSync(this.#options.logFile, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Whether a line with that text was logged since. */
  hasLogged(text: string, sinceBytes: number): boolean {
    return readFileSync(this.#options.logFile).subarray(sinceBytes).includes(text);
  }

  get running(): boolean {
    return this.#app !== undefined;
  }

  /** Starts it; `once` are settings of this one start, which a restart doesn't repeat. */
  start(once: Record<string, string> = {}): void {
    this.#wanted = true;
    if (!this.#app) this.#spawn(once);
  }

  #spawn(once: Record<string, string>): void {
    const { env, logFile, url, name, root } = this.#options;
    this.#endAsked = 'USAGE_FAIL_POINT' in once;
    this.starts++;
    const app = startApp({
      name: name.replace(/\d+$/, ''),
      url,
      env: { ...env, ...once },
      logFile,
      ...(root === undefined ? {} : { root }),
      watch: false,
      show: () => {},
    });
    this.#app = app;
    void app.exited.then(async (how) => {
      this.#app = undefined;
      this.#frozen = false;
      if (!this.#endAsked)
        this.crashes.push(`${name} ended by itself (${how}): ${app.log.lastLines.slice(-4).join(' | ')}`);
      if (!this.#wanted) return;
      await Bun.sleep(restartMsMin + Math.random() * (restartMsMax - restartMsMin));
      if (this.#wanted && !this.#app) this.#spawn({});
    });
  }

  /** SIGKILL; the supervisor starts it again. Resolves when it has ended. */
  async kill(): Promise<void> {
    const app = this.#app;
    if (!app) return;
    this.#endAsked = true;
    app.kill();
    await app.exited;
  }

  /** Resolves when it has ended by itself, at its fail point, or after msMax; says whether it did. */
  async endsWithin(msMax: number): Promise<boolean> {
    const app = this.#app;
    if (!app) return true;
    return Promise.race([app.exited.then(() => true), Bun.sleep(msMax).then(() => false)]);
  }

  /** SIGTERM, and not started again. False when it did not end with exit code 0 in time. */
  async stop(msMax = 20_000): Promise<boolean> {
    this.#wanted = false;
    const app = this.#app;
    if (!app) return true;
    this.thaw();
    this.#endAsked = true;
    return app.stop(msMax);
  }

  /** SIGKILL, and not started again. */
  async end(): Promise<void> {
    this.#wanted = false;
    await this.kill();
  }

  /** SIGSTOP: the process is there, holds its connections, and does nothing. */
  freeze(): void {
    if (!this.#app) return;
    this.#frozen = true;
    process.kill(this.#app.pid, 'SIGSTOP');
  }

  thaw(): void {
    if (!this.#app || !this.#frozen) return;
    this.#frozen = false;
    process.kill(this.#app.pid, 'SIGCONT');
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.url}/health/ready`, { signal: AbortSignal.timeout(3_000) }).catch(
      () => null,
    );
    return answer?.ok ?? false;
  }

  async isLive(): Promise<boolean> {
    const answer = await fetch(`${this.url}/health/live`, { signal: AbortSignal.timeout(3_000) }).catch(
      () => null,
    );
    return answer?.ok ?? false;
  }
}
