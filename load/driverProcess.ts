import autocannon from 'autocannon';
import type { DrivePlan, DriverLine } from './driver.ts';
import { EventPool } from './events.ts';

/**
 * autocannon in a process of its own, so that what it costs is told apart. Takes a plan as its argument, says `ready`
 * once the bodies are made, starts when a line comes in on stdin, and ends every connection after a whole answer: no
 * request is left of which nobody knows whether it was taken.
 */
const plan = JSON.parse(process.argv[2]!) as DrivePlan;
const eventsPerRequest = plan.workload?.eventsPerRequest ?? 0;
/** Answers still to come when the time is over are waited for so long. */
const lastAnswerSecondsMax = 40;
const latenciesMax = 20_000_000;

const say = (line: DriverLine) => process.stdout.write(`${JSON.stringify(line)}\n`);
const requests = plan.workload ? [eventRequest(plan.workload)] : plan.paths!.map((path) => ({ path }));

say({ is: 'ready' });
for await (const _ of console) break;

const statuses: Record<string, number> = {};
const latenciesMs: number[] = [];
let retryAfters = 0;
let connectionErrors = 0;
const startedMs = Date.now();
const endMs = startedMs + plan.secondsMax * 1_000;
const cpuBefore = process.cpuUsage();

const run = autocannon(
  {
    url: plan.url,
    headers: plan.headers ?? {},
    connections: plan.connections,
    duration: plan.secondsMax + lastAnswerSecondsMax,
    timeout: lastAnswerSecondsMax,
    ...(plan.requestsMax === undefined ? {} : { amount: plan.requestsMax }),
    ...(plan.requestsPerSecond === undefined ? {} : { overallRate: plan.requestsPerSecond }),
    requests,
    setupClient: noteRefusals,
    skipAggregateResult: true,
  } as unknown as autocannon.Options,
  (error) => finish(error),
);
run.on('response', (client, statusCode, _bytes, responseMs) => {
  statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
  if (statusCode < 300 && latenciesMs.length < latenciesMax) latenciesMs.push(responseMs);
  if (Date.now() >= endMs) endAfterThisAnswer(client);
});
run.on('reqError', () => connectionErrors++);
const ticks = setInterval(() => say({ is: 'tick', events: accepted(), statuses }), 1_000);

function eventRequest(workload: NonNullable<DrivePlan['workload']>): autocannon.Request {
  const pool = new EventPool(workload);
  const contentType =
    eventsPerRequest === 1 ? 'application/cloudevents+json' : 'application/cloudevents-batch+json';
  return {
    method: 'POST',
    headers: { ...plan.headers, 'content-type': contentType },
    setupRequest(request) {
      request.body = pool.next();
      return request;
    },
  };
}

/** responseMax is what autocannon itself ends a connection by. */
function endAfterThisAnswer(client: autocannon.Client): void {
  const limits = client as unknown as { responseMax: number; reqsMade: number };
  limits.responseMax = limits.reqsMade;
}

function noteRefusals(client: autocannon.Client): void {
  const emitter = client as unknown as NodeJS.EventEmitter;
  emitter.on('headers', ({ statusCode, headers }: { statusCode: number; headers: string[] }) => {
    if (statusCode === 503 && headers.some((name) => /^retry-after$/i.test(name))) retryAfters++;
  });
}

function accepted(): number {
  let requests = 0;
  for (const [status, count] of Object.entries(statuses)) if (status.startsWith('2')) requests += count;
  return requests * eventsPerRequest;
}

function finish(error: unknown): void {
  clearInterval(ticks);
  if (error) throw error;
  const { user, system } = process.cpuUsage(cpuBefore);
  latenciesMs.sort((a, b) => a - b);
  const quantile = (share: number) =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0;
  say({
    is: 'done',
    startedMs,
    endedMs: Date.now(),
    eventsAccepted: accepted(),
    statuses,
    retryAfters,
    connectionErrors,
    latencyMs: {
      p50: quantile(0.5),
      p99: quantile(0.99),
      p999: quantile(0.999),
      max: latenciesMs.at(-1) ?? 0,
    },
    cpuSeconds: (user + system) / 1_000_000,
  });
  process.exit(0);
}
