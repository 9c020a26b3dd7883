import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, open, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { S3Client } from 'bun';

/** Where exports go: files that are written once, complete or not at all. */
export interface ExportStore {
  /** Names it in the database: the same place has the same name. */
  readonly name: string;
  exists(path: string): Promise<boolean>;
  /** Writes a file that isn't there yet; leaves one that is. */
  put(path: string, localFile: string): Promise<void>;
  /** Removes what an exporter left half written; call while no other one is at work. */
  tidyUp(): Promise<void>;
}

/** Of a folder: what isn't whole yet. */
const incomplete = '.incomplete';

/** `s3://bucket/prefix`, with credentials and endpoint as Bun's S3 client reads them from the environment, or a folder. */
export function openStore(target: string): ExportStore {
  const s3 = /^s3:\/\/([^/]+)\/?(.*)$/.exec(target);
  return s3 ? new Bucket(s3[1]!, s3[2]!.replace(/\/+$/, '')) : new Folder(target);
}

class Folder implements ExportStore {
  readonly name: string;
  readonly #root: string;

  constructor(target: string) {
    this.#root = resolve(target);
    this.name = Bun.pathToFileURL(this.#root).href.replace(/\/+$/, '');
  }

  async exists(path: string): Promise<boolean> {
    return await stat(join(this.#root, path)).then(
      () => true,
      () => false,
    );
  }

  /** Copied into the same file system, synced to the disk and linked there: a crash leaves nothing half written under its name. */
  async put(path: string, localFile: string): Promise<void> {
    const place = join(this.#root, path);
    const beside = join(this.#root, incomplete, crypto.randomUUID());
    await mkdir(dirname(beside), { recursive: true });
    await mkdir(dirname(place), { recursive: true });
    await copyFile(localFile, beside);
    const file = await open(beside, 'r+');
    await file.sync();
    await file.close();
    await link(beside, place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await unlink(beside);
  }

  async tidyUp(): Promise<void> {
    await rm(join(this.#root, incomplete), { recursive: true, force: true });
  }
}

class Bucket implements ExportStore {
  readonly name: string;
  readonly #client: S3Client;

  constructor(
    bucket: string,
    readonly prefix: string,
  ) {
    this.#client = new S3Client({ bucket });
    this.name = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  }

  async exists(path: string): Promise<boolean> {
    return await this.#client.exists(this.#key(path));
  }

  /** S3 shows an object when all of it is there. */
  async put(path: string, localFile: string): Promise<void> {
    if (await this.exists(path)) return;
    await this.#client.write(this.#key(path), Bun.file(localFile));
  }

  async tidyUp(): Promise<void> {}

  #key(path: string): string {
    return this.prefix === '' ? path : `${this.prefix}/${path}`;
  }
}

export async function sha256Of(localFile: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(localFile)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
