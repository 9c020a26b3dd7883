import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { freePort } from './ports.ts';
import { redisBinary } from './redisBinary.ts';
import { startServer, stopServer, stopWithParent, waitUntilUp } from './server.ts';

export interface LocalRedisOptions {
  folder: string;
  logFile: string;
  port?: number;
  /** A folder that is removed when the server stops. */
  throwAway?: string;
  /** Redis settings over the usual ones. */
  settings?: Record<string, string>;
}

export interface LocalRedis {
  url: string;
  pid: number;
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

/** Reading 512 MB of append-only file takes seconds; a slow disk gets its time. */
const upMsMax = 120_000;
const stopMsMax = 30_000;

const usualSettings = {
  // Frames are the promise: every one is appended to a file, synced each second.
  appendonly: 'yes',
  appendfsync: 'everysec',
  save: '',
  maxmemory: '512mb',
  // Cached answers carry a TTL and may go; the stream has none and never goes.
  'maxmemory-policy': 'volatile-lru',
};

/** Redis for this machine alone. */
export async function startRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  const binary = await redisBinary();
  await mkdir(options.folder, { recursive: true });
  await mkdir(dirname(options.logFile), { recursive: true });
  const port = options.port ?? (await freePort());
  const settings = { ...usualSettings, ...options.settings };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = startServer(
    [binary, '--port', String(port), '--bind', '127.0.0.1', '--dir', options.folder, ...args],
    options.logFile,
    options.folder,
  );
  const keepWithParent = stopWithParent(server.process.pid, 'TERM', options.throwAway);
  const stop = async () => {
    await stopServer(server, options.throwAway ? 'SIGKILL' : 'SIGTERM', stopMsMax);
    keepWithParent();
    if (options.throwAway) await rm(options.throwAway, { recursive: true, force: true });
  };
  try {
    await waitUntilUp('Redis', server, upMsMax, () => answersPing(port));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    pid: server.process.pid,
    exited: server.process.exited,
    stop,
  };
}

/** False while it isn't there or still loads its file. */
async function answersPing(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
  socket.setTimeout(1_000, () => resolve(false));
  socket.on('data', (data) => resolve(data.toString().startsWith('+PONG')));
  socket.on('error', () => resolve(false));
  const up = await promise;
  socket.destroy();
  return up;
}
