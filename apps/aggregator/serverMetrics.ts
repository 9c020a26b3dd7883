import { statfs } from 'node:fs/promises';
import type { Sql } from '@usage/db/connection/connect.ts';
import { durability, lossOf } from '@usage/db/connection/durability.ts';
import { connectionsByApp, serverLoad } from '@usage/db/connection/serverLoad.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Gauge, type Registry } from 'prom-client';

/** Sizing a database stats each of its files: not on every scrape. */
const lookMs = 30_000;

/**
 * PostgreSQL's size and connections, and the disk: in a container / lies on the file system that holds Docker's volumes
 * as well, unless they were put elsewhere. Without a value until the database has answered.
 */
export function watchServer(registry: Registry, sql: Sql, log: Logger, refusesLoss: boolean) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: [], registers });
  const databaseBytes = gauge('usage_database_bytes', 'Size of the database');
  const connectionsMax = gauge('usage_database_connections_max', 'Connections that PostgreSQL allows');
  const diskBytes = gauge('usage_disk_bytes', 'Size of the file system of the data');
  const diskAvailable = gauge('usage_disk_available_bytes', 'Room left on it');
  const mayLose = gauge(
    'usage_database_may_lose',
    'Whether a fail-over or crash of PostgreSQL can take back what it has committed (1), unless that is allowed',
  );
  const connections = new Gauge({
    name: 'usage_database_connections',
    help: 'Connections to the database, by app and by what they are doing',
    labelNames: ['app', 'state'],
    registers,
  });
  let lastLoss: string | undefined;
  const look = async () => {
    const { bsize, blocks, bavail } = await statfs('/');
    diskBytes.set(bsize * blocks);
    diskAvailable.set(bsize * bavail);
    const [load, byApp] = await Promise.all([serverLoad(sql), connectionsByApp(sql)]);
    const loss = refusesLoss ? lossOf(await durability(sql)) : undefined;
    mayLose.set(loss ? 1 : 0);
    if (loss && loss !== lastLoss) log.warn(loss);
    lastLoss = loss;
    databaseBytes.set(load.database_bytes);
    connectionsMax.set(load.connections_max);
    connections.reset();
    for (const { app, state, count } of byApp) connections.set({ app, state }, count);
  };
  const lookAndLog = () => look().catch((err) => log.debug({ err }, 'no figures of the database now'));
  void lookAndLog();
  return setInterval(lookAndLog, lookMs);
}
