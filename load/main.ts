import { availableParallelism, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { medians, type Outcome, progressOf, table } from './report.ts';
import type { Run, Scenario } from './scenario.ts';
import { auth } from './scenarios/auth.ts';
import { backlog } from './scenarios/backlog.ts';
import { baseline } from './scenarios/baseline.ts';
import { batch } from './scenarios/batch.ts';
import { dirty, randomIds } from './scenarios/dirty.ts';
import { freshness } from './scenarios/freshness.ts';
import { limits } from './scenarios/limits.ts';
import { linear } from './scenarios/linear.ts';
import { overload } from './scenarios/overload.ts';
import { peers } from './scenarios/peers.ts';
import { query } from './scenarios/query.ts';
import { single } from './scenarios/single.ts';
import { soak } from './scenarios/soak.ts';
import { thresholds } from './scenarios/thresholds.ts';
import type { StackUrls } from './stack.ts';

/** `bun run load`: see `--help`. Exits with 1 when a scenario fails or the reconciliation fails. */
const scenarios: Record<string, Scenario> = {
  batch,
  single,
  dirty,
  'random-ids': randomIds,
  overload,
  soak,
  query,
  freshness,
  limits,
  thresholds,
  linear,
  backlog,
  baseline,
  peers,
  auth,
};

const help = `bun run load [scenario…] [--json FILE] [--seconds N] [--events N] [--rounds N]
             [--url GATEWAY --query-url QUERY --database-url URL --redis-url URL --api-key KEY]

Scenarios: ${Object.keys(scenarios).join(', ')} (default: batch, single)
  --seconds N   how long each scenario sends
  --events N    how many events query and linear store beforehand, and peers writes into each system
  --rounds N    runs all of them so often, in turns; at the end each one's round with the median ratio
  --json FILE   writes the outcomes as a JSON array
  --url …       drives a stack that runs already instead of one of its own

peers: the same events into this system, into ClickHouse with OpenMeter's table, into InfluxDB 1.x and into a hypertable, one
after the other, the same questions asked of each (their answers must agree), and a Markdown table. Measures what it finds:
  apt-get install influxdb
  python3 -m pip install --target .data/peers/chdb chdb      (900 MB)
The 10 million events that it writes by default need 15 GB of disk meanwhile. Of fewer than a million events the wait of up to
10 s before rollups are merged is most of this system's time.`;

const { values, positionals } = readArguments();
const wanted = positionals.length > 0 ? positionals : ['batch', 'single'];
const outcomes: Outcome[] = [];
let failed = false;
console.error(
  `${availableParallelism()} processors, ${Math.round(totalmem() / 2 ** 30)} GB, Bun ${Bun.version}`,
);
const rounds = numberOf(values.rounds) ?? 1;
for (const name of Array.from({ length: rounds }, () => wanted).flat()) {
  const run: Run = {
    seconds: numberOf(values.seconds),
    events: numberOf(values.events),
    urls: urlsOf(),
    before: outcomes,
    progress: progressOf(name),
  };
  try {
    outcomes.push(await scenarios[name]!(run));
    console.log(table(outcomes.slice(-1)));
  } catch (error) {
    failed = true;
    console.error(`\n${name} FAILED: ${(error as Error).stack ?? error}\n`);
  }
}
const results = medians(outcomes);
if (rounds > 1) console.log(`\nMedians of ${rounds} rounds:\n${table(results)}`);
if (values.json) await Bun.write(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exit(failed ? 1 : 0);

function readArguments() {
  try {
    const text = { type: 'string' } as const;
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        json: text,
        seconds: text,
        events: text,
        rounds: text,
        url: text,
        'query-url': text,
        'database-url': text,
        'redis-url': text,
        'api-key': text,
        help: { type: 'boolean', short: 'h' },
      },
    });
    const unknown = parsed.positionals.filter((name) => !Object.hasOwn(scenarios, name));
    if (unknown.length > 0) throw new Error(`There is no scenario ${unknown.join(', ')}.`);
    if (parsed.values.help) {
      console.log(help);
      process.exit(0);
    }
    return parsed;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text.replaceAll('_', ''));
  if (!(number > 0)) {
    console.error(`${text} is no number above 0.`);
    process.exit(2);
  }
  return number;
}

function urlsOf(): StackUrls | undefined {
  if (!values.url) return undefined;
  return {
    url: values.url.replace(/\/$/, ''),
    queryUrl: values['query-url'] ?? 'http://127.0.0.1:8002',
    databaseUrl:
      values['database-url'] ?? 'postgres://usage_user:usage_password@127.0.0.1:5432/usage_tracking',
    redisUrl: values['redis-url'] ?? 'redis://127.0.0.1:6379',
    apiKey: values['api-key'],
  };
}
