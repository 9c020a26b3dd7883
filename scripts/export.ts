import { parseArgs } from 'node:util';
import { Counter, Registry } from 'prom-client';
import { connect } from '../db/connection/connect.ts';
import { DeltaCache, type UsageMetrics } from '../db/usage/deltaCache.ts';
import { readConfig } from '../lib/service/config.ts';
import { pauseUnless } from '../lib/service/pause.ts';
import { commonSettings } from '../lib/service/settings.ts';
import { ExportError, Exporter, type ExportOptions } from './export/run.ts';
import { openStore } from './export/store.ts';

const usage = `Writes raw events and usage to a folder or an S3-compatible store, as Parquet or CSV. The database is DATABASE_URL.

  bun run export TARGET [options]

TARGET   a folder, or s3://bucket/prefix (S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, S3_REGION)
  --format parquet|csv                                                 (default parquet)
  --usage HOUR|DAY|none   windows of the usage of each closed UTC day  (default HOUR)
  --wait-hours N          hours after its end before a day's usage is written  (default 3)
  --every MINUTES         goes on for ever, so often; without it once
  --events-max N          events of a run                              (default 500000)

A second run writes what came since. Whatever happens in between, each event is in one file that a manifest names.
`;

/** Cells of deltas that are held decoded. */
const deltaCellsMax = 400_000;
const statementMsMax = 600_000;

interface Arguments {
  target: string;
  everyMinutes: number | undefined;
  options: Omit<ExportOptions, 'log'>;
}

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);

try {
  const given = readArguments();
  if (given) process.exitCode = await run(given);
  else console.log(usage);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = error instanceof ExportError ? 1 : 2;
}

async function run({ target, everyMinutes, options }: Arguments): Promise<number> {
  const { databaseUrl: url } = readConfig({ databaseUrl: commonSettings.databaseUrl });
  const sql = connect({ url, name: 'export', connectionsMax: 2, statementMsMax });
  const metrics = usageMetrics();
  const deltas = new DeltaCache(deltaCellsMax, metrics);
  const runnerOf = (deadlineMs: number) => ({ deltas, metrics, deadlineMs });
  const exporter = new Exporter(sql, openStore(target), runnerOf, { ...options, log });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    for (;;) {
      const isDone = await exportOnce(exporter);
      if (everyMinutes === undefined) return isDone ? 0 : 1;
      await pauseUnless(stop.signal, everyMinutes * 60_000);
      if (stop.signal.aborted) return 0;
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** What fails is tried again at the next turn: a run that was planned is done then. */
async function exportOnce(exporter: Exporter): Promise<boolean> {
  try {
    const { runs, events, days } = await exporter.export();
    log(`${events} events in ${runs} runs, usage of ${days} days`);
    return true;
  } catch (error) {
    log((error as Error).message);
    return false;
  }
}

function usageMetrics(): UsageMetrics {
  const registers = [new Registry()];
  const counter = <T extends string>(name: string, label: T) =>
    new Counter({ name, help: name, labelNames: [label], registers });
  return { deltaCache: counter('deltas', 'outcome'), rawEvents: counter('raw_events', 'reason') };
}

function readArguments(): Arguments | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      format: { type: 'string', default: 'parquet' },
      usage: { type: 'string', default: 'HOUR' },
      'wait-hours': { type: 'string', default: '3' },
      every: { type: 'string' },
      'events-max': { type: 'string', default: '500000' },
      help: { type: 'boolean', default: false },
    },
  });
  const [target, ...more] = positionals;
  if (values.help) return undefined;
  const issues: string[] = [];
  if (!target || more.length > 0) issues.push('expected one target');
  const integer = (name: string, text: string, min: number, max: number) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      issues.push(`--${name} ${text}: expected a whole number from ${min} to ${max}`);
    return value;
  };
  const format = values.format === 'csv' ? 'csv' : 'parquet';
  if (values.format !== format) issues.push(`--format ${values.format}: expected parquet or csv`);
  const window = values.usage === 'HOUR' || values.usage === 'DAY' ? values.usage : undefined;
  if (!window && values.usage !== 'none') issues.push(`--usage ${values.usage}: expected HOUR, DAY or none`);
  const everyMinutes = values.every === undefined ? undefined : integer('every', values.every, 1, 10_080);
  const waitHours = integer('wait-hours', values['wait-hours'], 0, 8_760);
  const eventsMax = integer('events-max', values['events-max'], 1, 10_000_000);
  if (issues.length > 0) throw new Error(`${issues.join('\n')}\nbun run export --help lists the options.`);
  return { target: target!, everyMinutes, options: { format, window, waitHours, eventsMax } };
}
