import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';

/** A file of the console's build, held in memory as it is sent. */
export interface ConsoleFile {
  plain: Uint8Array<ArrayBuffer>;
  /** undefined where packing does not pay. */
  gzip: Uint8Array<ArrayBuffer> | undefined;
  type: string;
  etag: string;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** Every file of the build by its path in the folder; empty where there is no build. */
export async function readConsoleFiles(folder: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = new Map<string, ConsoleFile>();
  for (const name of names) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const plain = await Bun.file(join(folder, name)).bytes();
    const gzip = Bun.gzipSync(plain, { level: 9 });
    const hash = new Bun.CryptoHasher('sha256').update(plain).digest('base64url').slice(0, 20);
    files.set(name, {
      plain,
      gzip: gzip.length < plain.length ? gzip : undefined,
      type,
      etag: `"${hash}"`,
    });
  }
  return files;
}
