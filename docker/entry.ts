import { Resolver } from 'node:dns/promises';
import { connect, createServer, type Socket } from 'node:net';

/**
 * Holds the published ports 8000 and 8002 and passes each connection on to one of the replicas that Docker's DNS names.
 * A port of the host belongs to one container: replicas that published it themselves could not be scaled, and out of a
 * range of ports a restarted container takes the next one. Bytes go through as they are, so every limit, time limit and
 * header is the app's own.
 */
const routes = [
  { port: 8000, service: 'api_gateway' },
  { port: 8002, service: 'query_service' },
];
const connectMsMax = 1_000;
const connectionsMax = 10_000;
/** How long an answer of the DNS is taken for true; a replica that is gone meanwhile costs one refused connection. */
const addressesMs = 1_000;

refuseOpenDoor();
const servers = routes.map(({ port, service }) => {
  const addresses = addressesOf(service);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => client.destroy());
    void passOn(client, port, addresses);
  });
  server.maxConnections = connectionsMax;
  return server.listen(port, '0.0.0.0');
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    for (const server of servers) server.close();
    process.exit(0);
  });
}
log('info', `passing on ${routes.map(({ port, service }) => `${port} to ${service}`).join(', ')}`);

async function passOn(client: Socket, port: number, addresses: () => Promise<string[]>): Promise<void> {
  for (const address of shuffled(await addresses())) {
    const server = await open(address, port);
    if (!server) continue;
    if (client.destroyed) return void server.destroy();
    server.on('error', () => client.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroySoon());
    client.pipe(server);
    server.pipe(client);
    return;
  }
  client.destroy();
}

/** undefined where nothing answers there. */
function open(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const giveUp = () => {
      socket.destroy();
      resolve(undefined);
    };
    const timer = setTimeout(giveUp, connectMsMax);
    socket.once('error', giveUp).once('connect', () => {
      clearTimeout(timer);
      socket.off('error', giveUp);
      resolve(socket);
    });
  });
}

/** The last known addresses where the DNS fails: replicas don't vanish with it. Who asks during a look-up waits for it. */
function addressesOf(service: string): () => Promise<string[]> {
  let known: Promise<string[]> = Promise.resolve([]);
  let askedMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - askedMs < addressesMs) return known;
    askedMs = performance.now();
    const before = known;
    // A new resolver: the process' own keeps answers for as long as Docker's DNS says, ten minutes.
    known = new Resolver().resolve4(service).catch(() => before);
    return known;
  };
}

function shuffled(addresses: readonly string[]): string[] {
  const from = Math.floor(Math.random() * addresses.length);
  return [...addresses.slice(from), ...addresses.slice(0, from)];
}

/** Without authentication the ports are for this machine alone. */
function refuseOpenDoor(): void {
  const { AUTH: auth, BIND_ADDRESS: address = '127.0.0.1' } = process.env;
  if (auth !== 'off' || address.startsWith('127.') || address === '::1') return;
  log(
    'fatal',
    `AUTH=off and BIND_ADDRESS=${address}: anyone could read and write. Set AUTH=keys and ADMIN_API_KEY in .env`,
  );
  process.exit(1);
}

function log(level: string, msg: string): void {
  console.log(JSON.stringify({ level, time: new Date().toISOString(), service: 'entry', msg }));
}
