import { createServer } from 'node:net';

/** A TCP port of this machine that nobody listens on, chosen by the kernel. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(0, host, resolve);
    await promise;
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  } finally {
    server.close();
  }
}

/** Whether one could listen there now. */
export async function isPortFree(port: number, host: string): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, host, () => resolve(true));
  const free = await promise;
  server.close();
  return free;
}
