import { readFile } from 'node:fs/promises';
import { isIP, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import type { DatabaseTarget } from '@usage/lib/service/databaseUrl.ts';

export type Host = DatabaseTarget['hosts'][number];

/** Why no encrypted connection came about. `code` as Node's TLS errors have one. */
export class TlsRefused extends Error {
  override name = 'TlsRefused';
  readonly code = 'TLS_REFUSED';
}

/** PostgreSQL's SSLRequest: its own length, and a number in the place of a protocol version. */
const sslRequest = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const yes = 'S'.charCodeAt(0);
const no = 'N'.charCodeAt(0);

/**
 * A connection to PostgreSQL before its first message: TCP or Unix socket, encrypted as the target asks. Rejects with the
 * system's or TLS' error, TlsRefused, or a code CONNECT_TIMEOUT after connectMsMax.
 */
export async function openSocket(target: DatabaseTarget, host: Host): Promise<Socket> {
  const plain = new Socket();
  const limit = setTimeout(() => {
    const error = new Error(`${host.host}:${host.port} does not answer within ${target.connectMsMax} ms`);
    plain.destroy(Object.assign(error, { code: 'CONNECT_TIMEOUT' }));
  }, target.connectMsMax);
  try {
    await connected(plain, host);
    const isUnix = host.host.startsWith('/');
    if (target.tls === 'disable' || isUnix) return plain;
    if (await offersTls(plain)) return await encrypted(plain, target, host);
    if (target.tls === 'prefer') return plain;
    throw new TlsRefused(`${host.host}:${host.port} does not speak TLS, and sslmode asks for it`);
  } catch (error) {
    plain.destroy();
    throw error;
  } finally {
    clearTimeout(limit);
  }
}

function connected(socket: Socket, { host, port }: Host): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
    if (host.startsWith('/')) socket.connect(`${host}/.s.PGSQL.${port}`);
    else socket.connect(port, host);
  });
}

async function offersTls(socket: Socket): Promise<boolean> {
  const answer = await new Promise<Uint8Array>((resolve, reject) => {
    const closed = () => reject(Object.assign(new Error('closed before TLS began'), { code: 'ECONNRESET' }));
    socket.once('error', reject).once('close', closed);
    socket.once('data', (bytes) => {
      socket.off('error', reject).off('close', closed);
      resolve(bytes as Buffer);
    });
    socket.write(sslRequest);
  });
  // More than the one byte would be somebody's in between, put before the encrypted stream.
  if (answer.length !== 1 || (answer[0] !== yes && answer[0] !== no))
    throw new TlsRefused('the server answers the request for TLS as no PostgreSQL does');
  return answer[0] === yes;
}

async function encrypted(plain: Socket, target: DatabaseTarget, { host }: Host): Promise<Socket> {
  const { rootCertificate, clientCertificate, clientKey } = target;
  const verified = target.tls === 'verify-ca' || target.tls === 'verify-full';
  const options: tls.ConnectionOptions = {
    socket: plain,
    rejectUnauthorized: verified,
    ...(isIP(host) ? {} : { servername: host }),
    ...(rootCertificate && rootCertificate !== 'system' ? { ca: await readFile(rootCertificate) } : {}),
    ...(clientCertificate && clientKey
      ? { cert: await readFile(clientCertificate), key: await readFile(clientKey) }
      : {}),
    // verify-full alone asks whether the certificate is this host's.
    checkServerIdentity: (_name, certificate) =>
      target.tls === 'verify-full' ? tls.checkServerIdentity(host, certificate) : undefined,
  };
  return await new Promise((resolve, reject) => {
    const socket = tls.connect(options);
    const closed = () => reject(Object.assign(new Error('closed during TLS'), { code: 'ECONNRESET' }));
    socket.once('error', reject).once('close', closed);
    socket.once('secureConnect', () => {
      socket.off('error', reject).off('close', closed);
      resolve(socket);
    });
  });
}

/** In the place of a connection that did not come about: the driver takes the error from it as from any that breaks. */
export class FailedSocket extends Duplex {
  constructor(readonly reason: Error) {
    super({ emitClose: false });
    setImmediate(() => this.destroy());
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }

  override _destroy(_error: Error | null, done: () => void): void {
    this.emit('error', this.reason);
    this.emit('close', true);
    done();
  }
}
