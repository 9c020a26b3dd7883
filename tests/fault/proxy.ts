import type { Socket as BunSocket, TCPSocketListener } from 'bun';

interface Side {
  peer: BunSocket<Side> | undefined;
  /** Bytes the peer could not take yet. */
  waiting: Uint8Array[];
  ended: boolean;
}

/**
 * A TCP proxy before PostgreSQL or Redis that can fail as networks do.
 *
 *   open      passes everything on
 *   stalled   connections stay open and new ones are taken, but no byte moves in either direction
 *   closed    nobody listens: connections are refused
 */
export class TcpProxy {
  #listener: TCPSocketListener<Side> | undefined;
  #pairs = new Set<BunSocket<Side>>();
  #stalled = false;
  /** Stalled for good: what came through them is never passed on, whatever happens later. */
  #abandoned = new Set<BunSocket<Side>>();

  constructor(
    readonly port: number,
    readonly targetPort: number,
  ) {
    this.open();
  }

  get connections(): number {
    return this.#pairs.size;
  }

  open(): void {
    if (this.#listener) return;
    this.#listener = Bun.listen<Side>({
      hostname: '127.0.0.1',
      port: this.port,
      socket: {
        open: (client) => this.#connect(client),
        data: (socket, bytes) => this.#pass(socket, bytes),
        drain: (socket) => this.#flush(socket),
        close: (socket) => this.#closePeer(socket),
        error: (socket) => this.#closePeer(socket),
      },
    });
  }

  /** No byte moves until resume(); then everything held is passed on. */
  stall(): void {
    this.#stalled = true;
  }

  resume(): void {
    this.#stalled = false;
    for (const socket of this.#pairs) {
      this.#flush(socket);
      if (socket.data.ended && !this.#abandoned.has(socket)) socket.end();
    }
  }

  /** The connections of now never move a byte again, nor are they closed; new ones work. */
  abandon(): void {
    for (const socket of this.#pairs) this.#abandoned.add(socket);
    this.#stalled = false;
  }

  /** What was abandoned is closed at last, as keepalives or a firewall would. */
  buryAbandoned(): void {
    for (const socket of [...this.#abandoned]) {
      this.#pairs.delete(socket);
      socket.terminate();
    }
    this.#abandoned.clear();
  }

  /** Every connection is cut, new ones are taken. */
  cut(): void {
    for (const socket of this.#pairs) socket.terminate();
    this.#pairs.clear();
    this.#abandoned.clear();
  }

  /** Nobody listens any more. */
  close(): void {
    this.#listener?.stop(true);
    this.#listener = undefined;
    this.cut();
  }

  #connect(client: BunSocket<Side>): void {
    client.data = { peer: undefined, waiting: [], ended: false };
    this.#pairs.add(client);
    Bun.connect<Side>({
      hostname: '127.0.0.1',
      port: this.targetPort,
      data: { peer: client, waiting: [], ended: false },
      socket: {
        open: (server) => {
          this.#pairs.add(server);
          if (this.#abandoned.has(client)) this.#abandoned.add(server);
          client.data.peer = server;
          server.data.waiting.unshift(...early.splice(0));
          this.#flush(server);
        },
        data: (socket, bytes) => this.#pass(socket, bytes),
        drain: (socket) => this.#flush(socket),
        close: (socket) => this.#closePeer(socket),
        error: (socket) => this.#closePeer(socket),
        connectError: () => client.terminate(),
      },
    }).catch(() => client.terminate());
    const early: Uint8Array[] = [];
    this.#early.set(client, early);
  }

  /** What a client sent before the way to the server was open. */
  #early = new WeakMap<BunSocket<Side>, Uint8Array[]>();

  #pass(from: BunSocket<Side>, bytes: Uint8Array): void {
    const to = from.data.peer;
    const copy = Uint8Array.from(bytes);
    if (!to) return void this.#early.get(from)?.push(copy);
    to.data.waiting.push(copy);
    this.#flush(to);
  }

  #flush(socket: BunSocket<Side>): void {
    if (this.#stalled || this.#abandoned.has(socket)) return;
    const { waiting } = socket.data;
    while (waiting.length > 0) {
      const bytes = waiting[0]!;
      const written = socket.write(bytes);
      if (written < 0) return;
      if (written < bytes.length) {
        waiting[0] = bytes.subarray(written);
        return;
      }
      waiting.shift();
    }
  }

  #closePeer(socket: BunSocket<Side>): void {
    this.#pairs.delete(socket);
    this.#abandoned.delete(socket);
    const peer = socket.data?.peer;
    if (!peer) return;
    // A close is news as well: it doesn't get through a stalled network.
    if (this.#stalled || this.#abandoned.has(peer)) peer.data.ended = true;
    else peer.end();
  }
}
