import { join } from 'node:path';
import { connect } from '@usage/db/connection/connect.ts';
import { startPostgres } from '../../scripts/local/postgres.ts';
import { grouped } from '../report.ts';
import { databaseBytes, walBytes } from '../sql/disk.ts';
import {
  countHypertable,
  createHypertable,
  type EventColumns,
  insertIntoHypertable,
  sumHypertable,
  vacuumHypertable,
} from '../sql/hypertable.ts';
import type { FileEvent } from './eventFile.ts';
import { answerMsMax, batchEvents, type Peer, type PeerKind } from './peer.ts';
import { writeBatches } from './writing.ts';

/** What one writes first on TimescaleDB: events in a hypertable, `INSERT … ON CONFLICT`, sums of the events. */
export const hypertable: PeerKind = {
  name: 'hypertable, INSERT … ON CONFLICT',
  missing: async () => undefined,
  open,
};

async function open(folder: string): Promise<Peer> {
  const server = await startPostgres({
    folder: join(folder, 'postgres'),
    logFile: join(folder, 'postgres.log'),
    password: crypto.randomUUID(),
  });
  const sql = connect({
    url: server.url,
    name: 'peers',
    connectionsMax: 2,
    statementMsMax: answerMsMax * 10,
  });
  const asked = connect({ url: server.url, name: 'peers', connectionsMax: 1, statementMsMax: answerMsMax });
  const timescale = server.timescale !== undefined;
  await createHypertable(sql, timescale);
  const emptyBytes = await databaseBytes(sql);
  return {
    facts: {
      name: timescale ? hypertable.name : 'plain table, INSERT … ON CONFLICT',
      sentTwice: timescale
        ? 'stored once by source, id and time; the same id with another time counts again (a unique index holds the time)'
        : 'stored once by source, id and time',
      numbers: 'exact (numeric, out of jsonb)',
      acknowledged: 'committed and synced',
      answersFrom: 'the events, so a meter made later costs nothing',
      writing: `over a connection of its own, ${grouped(batchEvents)} events a statement, 2 at once; no HTTP, no validation`,
      asking: 'SQL over one connection; no HTTP',
      settings: `PostgreSQL ${server.postgres}, ${timescale ? `TimescaleDB ${server.timescale}, chunks of 7 days, not compressed` : 'without TimescaleDB'}; indexes (source, id, time) and (type, subject, time); settings of \`npm start\`; VACUUM ANALYZE before it was asked`,
    },
    async write(file, progress) {
      const insert = (batch: EventColumns) => insertIntoHypertable(sql, batch);
      const { seconds } = await writeBatches(file, columns, insert, progress);
      return { seconds, events: await countHypertable(sql) };
    },
    async settle(progress) {
      const before = { writtenBytes: (await databaseBytes(sql)) - emptyBytes, walBytes: await walBytes(sql) };
      progress('VACUUM');
      await vacuumHypertable(sql);
      return { ...before, settledBytes: (await databaseBytes(sql)) - emptyBytes };
    },
    async ask(question, n) {
      const rows = await sumHypertable(asked, question.raw(n));
      return rows.map(({ window_start, groups, value }) => ({
        windowMs: window_start === null ? null : Date.parse(window_start),
        groups,
        value: Number(value),
      }));
    },
    async stop() {
      await Promise.all([sql.end(), asked.end()]);
      await server.stop();
    },
  };
}

function columns(events: FileEvent[]): EventColumns {
  const column = (name: 'id' | 'source' | 'type' | 'subject' | 'time') => events.map((event) => event[name]);
  return {
    source: column('source'),
    id: column('id'),
    type: column('type'),
    subject: column('subject'),
    time: column('time'),
    data: events.map(({ data }) => JSON.stringify(data)),
  };
}
