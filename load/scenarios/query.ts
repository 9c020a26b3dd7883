import { type Driven, drive, prepareDriver } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { ingest } from '../ingest.ts';
import { round } from '../measure.ts';
import { preload } from '../preload.ts';
import { type HttpQuestion, liveness, type Question, questions } from '../questions.ts';
import { OpenReconciliation } from '../reconciliation.ts';
import type { Figures, Progress } from '../report.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { sumRawEvents } from '../sql/rawUsage.ts';
import type { Stack } from '../stack.ts';
import { batchConnections } from './batch.ts';

const defaultEvents = 10_000_000;
const defaultSeconds = 5;
const warmUpSeconds = 1;
const probeSeconds = 5;
const monthMs = 30 * 86_400_000;
const rawRuns = 3;
/** The background goes on until all questions have been asked. */
const backgroundSecondsMax = 600;

/** Five questions over a month of events, one at a time: alone, and beside ingest at half of capacity. */
export const query: Scenario = (run) =>
  withStack(run, async (stack) => {
    const events = run.events ?? defaultEvents;
    const toMs = Date.now();
    await preload(stack, { events, fromMs: toMs - monthMs, toMs }, run.progress);
    const asked = questions(toMs);
    const all = [liveness, ...asked];
    const seconds = run.seconds ?? defaultSeconds;
    // The service's first second, compiling, is nobody's p99.
    await askAll(stack, all, warmUpSeconds, run.progress);
    const alone = await askAll(stack, all, seconds, run.progress);
    const raw: Figures = {};
    for (const question of asked) {
      run.progress(`${question.name} from raw events`);
      raw[question.name] = round(await rawMs(stack, question), 1);
    }
    const probe = { workload: cleanBatches, connections: batchConnections, seconds: probeSeconds };
    const capacity = (await ingest(stack, probe, run.progress)).storedPerSecond;
    const beside = await besideIngest(stack, capacity / 2, () => askAll(stack, all, seconds, run.progress));
    return {
      name: 'query',
      figures: {
        events,
        backgroundPerSecond: Math.round(capacity / 2),
        alone: latencies(alone),
        besideIngest: latencies(beside),
        rawMs: raw,
        timesFasterThanRaw: Object.fromEntries(
          asked.map(({ name }) => [name, round((raw[name] as number) / alone.get(name)!.latencyMs.p50, 0)]),
        ),
      },
    };
  });

async function askAll(
  stack: Stack,
  asked: readonly HttpQuestion[],
  seconds: number,
  progress: Progress,
): Promise<Map<string, Driven>> {
  const answers = new Map<string, Driven>();
  for (const { name, paths } of asked) {
    progress(`asking ${name}`);
    const driven = await drive({
      url: stack.queryUrl,
      headers: stack.headers,
      connections: 1,
      secondsMax: seconds,
      paths,
    });
    const failed = Object.keys(driven.statuses).filter((status) => status !== '200');
    if (failed.length > 0) throw new Error(`${name} was answered with ${JSON.stringify(driven.statuses)}`);
    answers.set(name, driven);
  }
  return answers;
}

async function besideIngest<T>(stack: Stack, eventsPerSecond: number, ask: () => Promise<T>): Promise<T> {
  const background = await prepareDriver({
    url: `${stack.gatewayUrl}/api/v1/events`,
    headers: stack.headers,
    connections: batchConnections,
    secondsMax: backgroundSecondsMax,
    requestsPerSecond: Math.max(1, Math.round(eventsPerSecond / cleanBatches.eventsPerRequest)),
    workload: cleanBatches,
  });
  const reconciliation = await OpenReconciliation.open(stack);
  background.go().catch(() => {});
  const answers = await ask().finally(background.stop);
  // Requests under way were cut off: what the stream took of them counts, though nobody was told.
  await reconciliation.settled();
  await reconciliation.close();
  return answers;
}

/** The median of a few runs, each of another path's subject. */
async function rawMs(stack: Stack, question: Question): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < rawRuns; n++) {
    const startedMs = performance.now();
    await sumRawEvents(stack.sql, question.raw(n));
    took.push(performance.now() - startedMs);
  }
  return took.toSorted((a, b) => a - b)[rawRuns >> 1]!;
}

function latencies(answers: Map<string, Driven>): Figures {
  return Object.fromEntries(
    [...answers].map(([name, { latencyMs, statuses }]) => [
      name,
      { p50: round(latencyMs.p50, 2), p99: round(latencyMs.p99, 2), answers: statuses['200'] ?? 0 },
    ]),
  );
}
