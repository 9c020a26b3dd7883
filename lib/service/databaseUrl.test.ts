import { describe, expect, test } from 'bun:test';
import { type DatabaseTarget, describeTarget, parseDatabaseUrl } from './databaseUrl.ts';

const read = (rest: string, env: Record<string, string> = {}) => parseDatabaseUrl(`postgres://${rest}`, env);

describe('a connection string is read as libpq reads it', () => {
  test.each<[string, Partial<DatabaseTarget>]>([
    [
      'u@h/d',
      { hosts: [{ host: 'h', port: 5432 }], user: 'u', password: undefined, database: 'd', role: 'any' },
    ],
    ['u:p@h:5433', { hosts: [{ host: 'h', port: 5433 }], database: 'u', password: 'p' }],
    ['u:50%off@h/d', { password: '50%off' }],
    ['u:a%40b%2Fc%25@h/d', { password: 'a@b/c%' }],
    ['u:p@ss:w@h/d', { password: 'p@ss:w' }],
    ['u:%ff%fe@h/d', { password: '%ff%fe' }],
    [
      'u@h1:1,h2:2,[::1]:3/d',
      {
        hosts: [
          { host: 'h1', port: 1 },
          { host: 'h2', port: 2 },
          { host: '::1', port: 3 },
        ],
        role: 'read-write',
      },
    ],
    ['u@h1,h2/d?target_session_attrs=any', { role: 'any' }],
    [
      'u@/d?host=/var/run/postgresql',
      { hosts: [{ host: '/var/run/postgresql', port: 5432 }], tls: 'disable' },
    ],
    ['u@%2Fvar%2Frun/d', { hosts: [{ host: '/var/run', port: 5432 }] }],
    ['u@127.0.0.1/d', { tls: 'disable' }],
    ['u@db.example/d', { tls: 'prefer' }],
    ['u@h/d?sslmode=require', { tls: 'no-verify' }],
    ['u@h/d?sslmode=no-verify', { tls: 'no-verify' }],
    ['u@h/d?sslmode=require&sslrootcert=/ca.pem', { tls: 'verify-ca', rootCertificate: '/ca.pem' }],
    ['u@h/d?sslmode=verify-full&uselibpqcompat=true', { tls: 'verify-full' }],
    ['u@h/d?sslmode=require&channel_binding=require', { tls: 'verify-full' }],
    ['u@h/d?ssl=true', { tls: 'no-verify' }],
    ['u@h/d?schema=public&connection_limit=5&pgbouncer=true', { pooled: true }],
    ['u@h/d?connect_timeout=2', { connectMsMax: 2_000 }],
    ['u@h/d?options=-c%20search_path%3Da', { options: '-c search_path=a' }],
  ])('%s', (rest, expected) => {
    expect(read(rest)).toMatchObject(expected);
  });

  test('PGPASSWORD and PGSSLMODE stand in for what the URL leaves out, and for nothing else', () => {
    const env = { PGPASSWORD: 'from env', PGSSLMODE: 'verify-full' };
    expect(read('u@h/d', env)).toMatchObject({ password: 'from env', tls: 'verify-full' });
    expect(read('u:own@h/d?sslmode=disable', env)).toMatchObject({ password: 'own', tls: 'disable' });
  });

  test.each([
    ['mysql://u@h/d', 'starts with postgres://'],
    ['postgres://h/d', 'expected a user'],
    ['postgres://u:se/cret@h/d', 'are written'],
    ['postgres://u@h:99999/d', 'port from 1 to 65535'],
    ['postgres://u@h/d?sslmode=yes', 'sslmode=yes: expected one of'],
    ['postgres://u@h/d?sslmod=require', 'the parameter sslmod is not known'],
    ['postgres://u@h/d?schema=tenant', 'search_path = tenant'],
    ['postgres://u@h/d?channel_binding=require&sslmode=disable', 'needs encryption'],
    ['postgres://u@h/d?target_session_attrs=leader', 'expected one of any, read-write'],
  ])('%s is refused, and what is wrong is named without the password', (text, reason) => {
    expect(() => parseDatabaseUrl(text, {})).toThrow(reason);
    expect(() => parseDatabaseUrl(text, {})).not.toThrow('cret');
  });

  test('where it leads is shown without the password', () => {
    expect(describeTarget(read('u:secret@h1,[::1]:1/d'))).toBe('u@h1:5432,[::1]:1/d');
  });
});
