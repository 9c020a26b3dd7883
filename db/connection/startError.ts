import { type DatabaseTarget, describeTarget, parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { StartError } from '@usage/lib/service/startError.ts';
import { withClient } from './client.ts';

type Explanation = (target: DatabaseTarget, message: string) => string;

const encryptionAsked = /no encryption|SSL (?:is )?required|SSL off|sslmode/i;

/** By SQLSTATE or code of the connection: what no later attempt mends, and what mends it. */
const explanations: Record<string, Explanation> = {
  '28P01': ({ user }) => `it refuses the password of the user ${user}: correct it there or in PGPASSWORD`,
  '28000': ({ user }, message) =>
    encryptionAsked.test(message)
      ? `it takes ${user} over encrypted connections alone: add sslmode=require (or verify-full)`
      : `it does not let the user ${user} in (${message}): correct the user, or allow it in pg_hba.conf`,
  '3D000': ({ database }) => `it has no database ${database}: create it, or correct the name`,
  '42501': ({ user, database }, message) =>
    `the user ${user} lacks a right in the database ${database} (${message}): grant it`,
  '08P01': ({ database }, message) => {
    if (/startup parameter/.test(message))
      return `the pooler there refuses what PostgreSQL takes (${message}): add pgbouncer=true, and set DIRECT_DATABASE_URL to PostgreSQL's own address for migrate`;
    return /no such database/.test(message)
      ? `it has no database ${database}: create it or name it in the pooler's [databases]`
      : `it refuses the connection (${message}): correct what it names`;
  },
  TLS_REFUSED: (_target, message) => `${message}: switch ssl on there, or set sslmode=disable`,
  ENOENT: (_target, message) =>
    `a file that it names is not there (${message}): correct sslrootcert, sslcert or sslkey`,
};

/** OpenSSL's and Node's names of what a certificate can lack. */
const certificateError =
  /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL|INVALID_CA|HOSTNAME_MISMATCH|ERR_OSSL)/;

/**
 * The one sentence for an error of a connection that stays as it is until somebody changes a setting or the server;
 * undefined where waiting may help (not there, starting, full, failing over). `variable`: where the URL comes from.
 */
export function startErrorOf(error: unknown, url: string, variable = 'DATABASE_URL'): StartError | undefined {
  const { code = '', message, syscall } = error as { code?: string; message: string; syscall?: string };
  // The socket's file comes with the server.
  if (syscall === 'connect') return undefined;
  const target = parseDatabaseUrl(url);
  const where = `${variable} (${describeTarget(target)})`;
  const explain = certificateError.test(code) ? certificate : explanations[code];
  if (!explain) return undefined;
  return new StartError(`PostgreSQL can't be used through ${where}: ${explain(target, message)}.`, {
    cause: error,
  });
}

const certificate: Explanation = ({ rootCertificate }, message) =>
  `its certificate is not accepted (${message}): set sslrootcert to the file of the CA that signed it${rootCertificate ? ` instead of ${rootCertificate}` : ''}, name the host as the certificate does, or ask for less with sslmode=require`;

/**
 * Throws a StartError where PostgreSQL can be reached and the connection can never work: for the start of an app. Only warns
 * where it is not there yet, which an app waits for.
 */
export async function refuseHopelessConnection(url: string, log?: Logger): Promise<void> {
  try {
    await withClient(url, async (client) => {
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      if (rows[0]!.pid === client.backendPid || parseDatabaseUrl(url).pooled) return;
      throw new StartError(
        `DATABASE_URL (${describeTarget(parseDatabaseUrl(url))}) leads to a pooler such as PgBouncer, not to PostgreSQL itself: add pgbouncer=true to it, and set DIRECT_DATABASE_URL to PostgreSQL's own address for migrate.`,
      );
    });
  } catch (error) {
    if (error instanceof StartError) throw error;
    const hopeless = startErrorOf(error, url);
    if (hopeless) throw hopeless;
    const { code, message } = error as { code?: string; message: string };
    log?.warn({ code, reason: message || code }, notThere);
  }
}

const notThere =
  'PostgreSQL can not be reached: this app is not ready, and goes on as soon as it is there; is DATABASE_URL right?';
