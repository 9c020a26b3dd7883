import { readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

const asked = '100-continue';
const goOn = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];

/** The socket's other end, as Bun's server knows it. */
type Peer = { address: string; port: number } | null | undefined;

/**
 * Answers `Expect: 100-Continue` in every case of its letters (RFC 9110, 10.1.1). Bun itself answers it in small letters only
 * (oven-sh/bun#30250), and JDK's HttpClient, which writes a capital C, waits for ever. Bun shows no socket to write to, so this
 * finds it by its addresses in /proc: some 0.1 ms, for these requests alone. Call it before the body is read; on systems
 * without /proc nothing happens.
 */
export function answerExpect(request: Request, peerOf: () => Peer, localPort: number | undefined): void {
  const expected = request.headers.get('expect');
  if (expected === null || expected === asked || expected.trim().toLowerCase() !== asked) return;
  const peer = peerOf();
  if (!peer || localPort === undefined) return;
  try {
    const fd = socketOf(peer, localPort);
    if (fd !== undefined) writeSync(fd, goOn);
  } catch {
    // The client is gone, or goes on by itself after a while.
  }
}

/** The file descriptor of the connection between this peer and our port. */
function socketOf(peer: NonNullable<Peer>, localPort: number): number | undefined {
  const ends = ` [0-9A-F]+:${hexPort(localPort)} ${hexAddress(peer.address)}:${hexPort(peer.port)} 01 `;
  for (const table of tables) {
    const line = new RegExp(`${ends}.*`).exec(readFileSync(table, 'latin1'))?.[0];
    const inode = line?.trim().split(/\s+/)[8];
    if (inode === undefined) continue;
    const name = `socket:[${inode}]`;
    const fd = readdirSync('/proc/self/fd').find((entry) => linkOf(entry) === name);
    if (fd !== undefined) return Number(fd);
  }
  return undefined;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

/** A pattern: an IPv4 address, alone or mapped into IPv6; any other matches by its port alone. */
function hexAddress(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  if (!v4) return '[0-9A-F]{32}';
  const bytes = v4
    .slice(1)
    .reverse()
    .map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'));
  return `(?:0000000000000000FFFF0000)?${bytes.join('')}`;
}
