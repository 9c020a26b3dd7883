import { join } from 'node:path';
import { directFetch } from '../../lib/http/directFetch.ts';
import { StartError } from '../../lib/service/startError.ts';
import { AppLog } from './appLog.ts';
import { stopWithParent } from './server.ts';

export interface LocalApp {
  name: string;
  url: string;
  pid: number;
  log: AppLog;
  /** Resolves with how it ended: `exit code 1`, `SIGKILL`. */
  exited: Promise<string>;
  /** Resolves when it can take work; throws when it ends or the limit is over. */
  waitUntilReady(): Promise<void>;
  /** SIGTERM, then SIGKILL when the limit is over. True when it stopped in order, had not begun yet, or was gone. */
  stop(msMax: number): Promise<boolean>;
  kill(): void;
}

export interface LocalAppOptions {
  name: string;
  url: string;
  env: Record<string, string | undefined>;
  logFile: string;
  /** Where the app is run from; this repository where undefined. */
  root?: string;
  /** Restarts it whenever a source file it uses changes. */
  watch: boolean;
  show: (line: string) => void;
}

const ownRoot = join(import.meta.dirname, '../..');
const readyMsMax = 60_000;
const readyPollMs = 50;

/** An app as a process of its own, in a process group of its own: Ctrl-C reaches it through us, in order. */
export function startApp(options: LocalAppOptions): LocalApp {
  const { name, url, env } = options;
  const process_ = Bun.spawn(
    [process.execPath, ...(options.watch ? ['--watch', '--no-clear-screen'] : []), `apps/${name}/main.ts`],
    { cwd: options.root ?? ownRoot, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', detached: true },
  );
  const callOff = stopWithParent(process_.pid, 'TERM');
  const log = new AppLog(name, options.logFile, options.show);
  const read = Promise.all([log.read(process_.stdout), log.read(process_.stderr)]);
  const exited = process_.exited.then(async () => {
    callOff();
    await read;
    return process_.signalCode === null ? `exit code ${process_.exitCode}` : String(process_.signalCode);
  });
  let ended: string | undefined;
  void exited.then((how) => {
    ended = how;
  });

  return {
    name,
    url,
    pid: process_.pid,
    log,
    exited,
    async waitUntilReady() {
      const deadline = performance.now() + readyMsMax;
      let reason = 'no answer';
      while (ended === undefined) {
        const answer = await directFetch(`${url}/health/ready`, {
          signal: AbortSignal.timeout(readyMsMax),
        }).catch(() => null);
        if (answer?.ok) return;
        if (answer) reason = await answer.text();
        if (performance.now() > deadline) {
          throw new StartError(`${name} is not ready after ${readyMsMax / 1_000} s: ${reason}`);
        }
        await Bun.sleep(readyPollMs);
      }
    },
    async stop(msMax) {
      if (ended !== undefined) return true;
      process_.kill('SIGTERM');
      const late = setTimeout(() => process_.kill('SIGKILL'), msMax);
      await exited;
      clearTimeout(late);
      return process_.exitCode === 0 || process_.signalCode === 'SIGTERM';
    },
    kill: () => process_.kill('SIGKILL'),
  };
}
