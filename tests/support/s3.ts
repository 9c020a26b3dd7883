import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stopWithParent } from '../../scripts/local/server.ts';

const root = join(import.meta.dirname, '../..');

/**
 * An S3 server that keeps its buckets in a folder. It runs on Node: its marks in long lists need a cipher that Bun does not have. Its
 * signature of a list leaves out the last / of the path, which AWS and others sign: signatures aren't compared.
 */
export async function startS3(directory: string, bucket: string) {
  const options = {
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{ name: bucket }],
  };
  const script = `
    const server = new (require('@20minutes/s3rver'))(${JSON.stringify({ ...options, allowMismatchedSignatures: true })});
    server.run().then(({ port }) => console.log(port));`;
  const child = Bun.spawn(['node', '--openssl-legacy-provider', '-e', script], {
    cwd: root,
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const callOff = stopWithParent(child.pid, 'TERM');
  const { value } = await child.stdout.getReader().read();
  const client = {
    endpoint: `http://127.0.0.1:${new TextDecoder().decode(value).trim()}`,
    accessKeyId: 'S3RVER',
    secretAccessKey: 'S3RVER',
  };
  const env = {
    S3_ENDPOINT: client.endpoint,
    S3_ACCESS_KEY_ID: client.accessKeyId,
    S3_SECRET_ACCESS_KEY: client.secretAccessKey,
  };
  const suffix = '._S3rver_object';
  return {
    client: { ...client, bucket },
    env,
    /** Of the bucket's objects, by the files they lie in. */
    keys: async () => {
      const paths = await readdir(join(directory, bucket), { recursive: true });
      return paths.filter((path) => path.endsWith(suffix)).map((path) => path.slice(0, -suffix.length));
    },
    async stop(): Promise<void> {
      callOff();
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}
