import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** An S3 server that keeps its buckets in a folder. */
export async function startS3(directory: string, bucket: string) {
  const { default: S3rver } = await import('@20minutes/s3rver' as string);
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory,
    configureBuckets: [{ name: bucket }],
    // Its signature of a list leaves out the last / of the path, which AWS and others sign.
    allowMismatchedSignatures: true,
  });
  const { port } = (await server.run()) as { port: number };
  const client = {
    endpoint: `http://127.0.0.1:${port}`,
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
    stop: () => server.close(),
  };
}
