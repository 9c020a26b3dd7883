import { readFile } from 'node:fs/promises';
import { StartError } from '../../lib/service/startError.ts';

const pollMs = 25;
const logLinesShown = 8;

export interface ServerProcess {
  process: Bun.Subprocess;
  logFile: string;
}

/**
 * Starts a server in a process group of its own, so that Ctrl-C in the terminal reaches the apps first and the servers
 * only when they are stopped.
 */
export function startServer(command: string[], logFile: string, cwd?: string): ServerProcess {
  const log = Bun.file(logFile);
  const process = Bun.spawn(command, {
    stdin: 'ignore',
    stdout: log,
    stderr: log,
    detached: true,
    ...(cwd ? { cwd } : {}),
  });
  process.unref();
  return { process, logFile };
}

/** Asks again and again until the server answers; throws with its last log lines when it exits or the limit is over. */
export async function waitUntilUp(
  name: string,
  server: ServerProcess,
  msMax: number,
  isUp: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await isUp())) {
    if (server.process.exitCode !== null || server.process.signalCode !== null) {
      throw new StartError(`${name} did not start:\n${await lastLines(server.logFile)}`);
    }
    if (performance.now() > deadline) {
      throw new StartError(
        `${name} did not answer within ${msMax / 1_000} s:\n${await lastLines(server.logFile)}`,
      );
    }
    await Bun.sleep(pollMs);
  }
}

/** Sends the signal that asks for an orderly stop; SIGKILL when the limit is over. */
export async function stopServer(
  server: ServerProcess,
  signal: NodeJS.Signals,
  msMax: number,
): Promise<void> {
  const { process } = server;
  if (process.exitCode !== null || process.signalCode !== null) return;
  process.kill(signal);
  const late = setTimeout(() => process.kill('SIGKILL'), msMax);
  await process.exited;
  clearTimeout(late);
}

/**
 * Stops the server when this process ends in any way, even by SIGKILL: a shell waits for the end of a pipe that only
 * this process holds. Returns a function that calls it off.
 */
export function stopWithParent(
  pid: number,
  signal: 'INT' | 'TERM' | 'QUIT',
  removeFolder?: string,
): () => void {
  const script =
    'trap "" INT HUP TERM; read -r _; kill -"$2" "$1" 2>/dev/null; n=0; ' +
    'while [ -n "$3" ] && kill -0 "$1" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; ' +
    '[ -n "$3" ] && rm -rf "$3"';
  const guard = Bun.spawn(['sh', '-c', script, 'guard', String(pid), signal, removeFolder ?? ''], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
    detached: true,
  });
  guard.unref();
  return () => guard.kill('SIGKILL');
}

async function lastLines(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-logLinesShown).join('\n');
}
