import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { S3Client, type S3Options } from 'bun';
import { Refusal } from './refusals.ts';

/** A file as it is now: another one of the same name has another state. */
export interface PlacedFile {
  name: string;
  bytes: number;
  /** When it was changed, or a bucket's ETag. */
  version: string;
}

/** Where files come in, and where small ones may be written beside them. */
export interface Place {
  /** Every file, by name. */
  list(): Promise<PlacedFile[]>;
  /** Calls `use` with the path of a file on this machine. */
  withFile<T>(name: string, use: (path: string) => Promise<T>): Promise<T>;
  /** undefined: it isn't there. */
  readText(name: string): Promise<string | undefined>;
  writeText(name: string, text: string): Promise<void>;
}

/** A folder, or `s3://bucket/prefix` with credentials and endpoint as Bun's S3 client reads them from the environment, or `s3Options`. Throws a Refusal. */
export async function openPlace(place: string, s3Options: S3Options = {}): Promise<Place> {
  const s3 = /^s3:\/\/([^/]+)\/?(.*)$/.exec(place);
  if (s3) return new Bucket({ ...s3Options, bucket: s3[1]! }, s3[2]!.replace(/\/+$/, ''));
  if (!(await stat(place).catch(() => undefined))?.isDirectory())
    throw new Refusal(`${place}: there is no such folder.`);
  return new Folder(place);
}

class Folder implements Place {
  constructor(readonly path: string) {}

  async list(): Promise<PlacedFile[]> {
    const files: PlacedFile[] = [];
    for (const name of (await readdir(this.path)).sort()) {
      const found = await stat(join(this.path, name)).catch(() => undefined);
      if (found?.isFile()) files.push({ name, bytes: found.size, version: String(found.mtimeMs) });
    }
    return files;
  }

  withFile<T>(name: string, use: (path: string) => Promise<T>): Promise<T> {
    return use(join(this.path, name));
  }

  async readText(name: string): Promise<string | undefined> {
    return await Bun.file(join(this.path, name))
      .text()
      .catch(() => undefined);
  }

  async writeText(name: string, text: string): Promise<void> {
    await Bun.write(join(this.path, name), text);
  }
}

class Bucket implements Place {
  readonly #client: S3Client;
  /** Before the names of its files. */
  readonly #prefix: string;

  constructor(options: S3Options, prefix: string) {
    this.#client = new S3Client(options);
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
  }

  async list(): Promise<PlacedFile[]> {
    const files: PlacedFile[] = [];
    let continuationToken: string | undefined;
    do {
      const page = await this.#client.list({
        ...(this.#prefix !== '' && { prefix: this.#prefix }),
        ...(continuationToken !== undefined && { continuationToken }),
      });
      for (const { key, size = 0, eTag = '' } of page.contents ?? [])
        if (!key.endsWith('/'))
          files.push({ name: key.slice(this.#prefix.length), bytes: size, version: eTag });
      continuationToken = page.isTruncated ? page.nextContinuationToken : undefined;
    } while (continuationToken !== undefined);
    return files;
  }

  async withFile<T>(name: string, use: (path: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), 'usage-import-'));
    try {
      const path = join(folder, basename(name));
      await Bun.write(path, this.#client.file(this.#prefix + name));
      return await use(path);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async readText(name: string): Promise<string | undefined> {
    try {
      return await this.#client.file(this.#prefix + name).text();
    } catch (error) {
      if ((error as { code?: string }).code === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  async writeText(name: string, text: string): Promise<void> {
    await this.#client.write(this.#prefix + name, text);
  }
}
