import { join } from 'node:path';

/** ca.crt signs server.crt, which is for localhost; other.crt is a CA that has nothing to do with it. */
export async function makeCertificates(at: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const run = Bun.spawn(['openssl', ...args], { cwd: at, stdout: 'ignore', stderr: 'pipe' });
    if ((await run.exited) !== 0) throw new Error(await new Response(run.stderr).text());
  };
  const authority = (name: string) =>
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
    );
  await Promise.all([authority('ca'), authority('other')]);
  await Bun.write(join(at, 'extensions'), 'subjectAltName=DNS:localhost\n');
  await openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
  );
  await openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'extensions',
    '-out',
    'server.crt',
  );
}
