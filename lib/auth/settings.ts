import { ConfigError, oneOf, optional, secret } from '../service/config.ts';

/** Of the apps that clients talk to. */
export const authSettings = {
  auth: oneOf('AUTH', ['keys', 'off'], {
    default: 'keys',
    about:
      'keys: every request needs an API key; off: none does, only where loopback alone can reach the app',
  }),
  adminApiKey: optional(
    secret('ADMIN_API_KEY', {
      lengthMin: 32,
      about: 'the first admin key, 32 characters or more (`openssl rand -hex 32`); may create the others',
    }),
  ),
  publishedOn: oneOf('PUBLISHED_ON', ['anywhere', 'loopback'], {
    default: 'anywhere',
    about:
      'loopback: the ports of the container are published on 127.0.0.1 alone, so that AUTH=off is allowed',
  }),
};

export interface AuthConfig {
  auth: 'keys' | 'off';
  adminApiKey: string | undefined;
  publishedOn: 'anywhere' | 'loopback';
  host: string;
}

/** Throws a ConfigError where the app would be open to others than this machine. */
export function checkAuth({ auth, publishedOn, host }: AuthConfig): void {
  if (auth === 'keys' || isLoopback(host) || publishedOn === 'loopback') return;
  throw new ConfigError([
    `AUTH=off, but API_HOST=${host} can be reached from elsewhere: anyone could read and write. Either set AUTH=keys ` +
      'and ADMIN_API_KEY (`openssl rand -hex 32`), or API_HOST=127.0.0.1. In a container whose ports are published on ' +
      '127.0.0.1 alone, set PUBLISHED_ON=loopback.',
  ]);
}

/** Throws a ConfigError: nobody could do anything with this app. */
export function refuseWithoutKeys(): never {
  throw new ConfigError([
    'There is no API key yet. Set ADMIN_API_KEY (`openssl rand -hex 32`), or make a first key with ' +
      '`bun run keys create --name admin --scopes ingest,read,admin`; for a trial on this machine alone set AUTH=off.',
  ]);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
