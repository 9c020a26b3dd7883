import { mkdir, statfs } from 'node:fs/promises';
import { StartError } from '../../lib/service/startError.ts';

/** PostgreSQL's WAL, Redis' append-only file and a few million events. */
const freeBytesMin = 1_000_000_000;

export async function checkDiskSpace(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= freeBytesMin) return;
  throw new StartError(
    `The disk is nearly full: ${Math.floor(freeBytes / 1e6)} MB are free in ${folder}, at least ${freeBytesMin / 1e6} MB are needed.`,
  );
}
