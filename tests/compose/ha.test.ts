import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import { parseRedisUrl } from '@usage/lib/service/redisUrl.ts';
import { parse } from 'yaml';
import { root } from './stack.ts';

/** compose.ha.yaml over compose.yaml: what it names is there, and the apps can read what it tells them. */
interface Service {
  image?: string;
  environment?: Record<string, string | number>;
  volumes?: string[];
  depends_on?: Record<string, unknown>;
  deploy?: { replicas: number };
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}
const read = async (name: string) =>
  parse((await readFile(join(root, name), 'utf8')).replace(/\$\{\w+:-([^}]*)\}/g, '$1'), {
    merge: true,
    maxAliasCount: -1,
  }) as Compose;
const [base, ha, alloy] = await Promise.all(
  ['compose.yaml', 'compose.ha.yaml', 'compose.alloy.yaml'].map(read),
);
const all = { ...base!.services, ...ha!.services };

test('services, volumes and files that it names are there', async () => {
  for (const [name, service] of Object.entries({ ...ha!.services, ...alloy!.services })) {
    expect(service.image ?? base!.services[name]?.image).toBeString();
    for (const other of Object.keys(service.depends_on ?? {})) expect(Object.keys(all)).toContain(other);
    for (const volume of service.volumes ?? []) {
      const [source] = volume.split(':');
      if (source!.startsWith('./')) expect(await Bun.file(join(root, source!)).exists()).toBe(true);
      else if (!source!.startsWith('/')) expect(Object.keys(ha!.volumes)).toContain(source!);
    }
  }
});

test('every app runs twice, and reaches every server of PostgreSQL and every sentinel by name', () => {
  const apps = ['api_gateway', 'event_processor', 'query_service', 'aggregation_service', 'limits_service'];
  for (const name of apps) {
    const { deploy, environment } = ha!.services[name]!;
    expect(deploy?.replicas).toBe(2);
    const { hosts, role } = parseDatabaseUrl(String(environment!.DATABASE_URL));
    expect(role).toBe('read-write');
    const redis = parseRedisUrl(String(environment!.REDIS_URL));
    const named = [...hosts, ...(redis.kind === 'sentinel' ? redis.sentinels : [])].map(({ host }) => host);
    expect(named).toHaveLength(6);
    for (const host of named) expect(Object.keys(ha!.services)).toContain(host);
  }
  expect(ha!.services.api_gateway!.environment!.REDIS_REPLICAS_MIN).toBe(1);
});

test('Patroni promotes nothing that lacks a commit', async () => {
  const { bootstrap } = parse(await readFile(join(root, 'docker/ha/patroni.yml'), 'utf8'));
  const { synchronous_mode: mode, synchronous_mode_strict: strict, postgresql } = bootstrap.dcs;
  expect({ mode, strict, commit: postgresql.parameters.synchronous_commit }).toEqual({
    mode: true,
    strict: true,
    commit: 'on',
  });
});
