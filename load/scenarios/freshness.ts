import { prepareDriver } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { round } from '../measure.ts';
import { type Scenario, withStack } from '../scenario.ts';
import type { Stack } from '../stack.ts';

const backgroundEventsPerSecond = 10_000;
const backgroundConnections = 2;
const secondsDefault = 20;
const pauseBetweenProbesMs = 50;
const probeMsMax = 10_000;

/**
 * How long after its 204 an event is in query answers, at moderate load: one event after the other for a subject of its
 * own, the query asked again and again until the answer has it.
 */
export const freshness: Scenario = (run) =>
  withStack(run, async (stack) => {
    const seconds = run.seconds ?? secondsDefault;
    const driver = await prepareDriver({
      url: `${stack.gatewayUrl}/api/v1/events`,
      headers: stack.headers,
      connections: backgroundConnections,
      secondsMax: seconds,
      workload: cleanBatches,
      requestsPerSecond: backgroundEventsPerSecond / cleanBatches.eventsPerRequest,
    });
    await createProbeMeter(stack);
    run.progress(`one event after the other beside ${backgroundEventsPerSecond} events/s`);
    const driven = driver.go();
    const delaysMs: number[] = [];
    const endMs = performance.now() + seconds * 1_000;
    while (performance.now() < endMs) {
      delaysMs.push(await probe(stack, delaysMs.length));
      await Bun.sleep(pauseBetweenProbesMs);
    }
    const { eventsAccepted } = await driven;
    delaysMs.sort((a, b) => a - b);
    const at = (share: number) =>
      round(delaysMs[Math.min(delaysMs.length - 1, Math.floor(delaysMs.length * share))]!, 1);
    return {
      name: 'freshness',
      figures: {
        probes: delaysMs.length,
        backgroundAcceptedPerSecond: Math.round(eventsAccepted / seconds),
        inAnswersAfterMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      },
    };
  });

async function createProbeMeter(stack: Stack): Promise<void> {
  const answer = await fetch(`${stack.gatewayUrl}/api/v1/meters`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...stack.headers },
    body: JSON.stringify({ slug: 'freshness', eventType: 'freshness', aggregation: 'COUNT' }),
  });
  if (!answer.ok && answer.status !== 409) throw new Error(`the meter was not made: ${await answer.text()}`);
}

/** Milliseconds from the 204 to the first answer that counts the event. */
async function probe(stack: Stack, n: number): Promise<number> {
  const subject = `probe-${process.pid}-${n}`;
  const sent = await fetch(`${stack.gatewayUrl}/api/v1/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/cloudevents+json', ...stack.headers },
    body: JSON.stringify({
      specversion: '1.0',
      id: Bun.randomUUIDv7(),
      source: 'load',
      type: 'freshness',
      subject,
    }),
  });
  if (sent.status !== 204) throw new Error(`the probe was answered ${sent.status}`);
  const acceptedMs = performance.now();
  const url = `${stack.gatewayUrl}/api/v1/meters/freshness/query?subject=${subject}`;
  while (performance.now() - acceptedMs < probeMsMax) {
    const answer = await fetch(url, { headers: stack.headers });
    const { data } = (await answer.json()) as { data: { value: number }[] };
    if (data[0]?.value === 1) return performance.now() - acceptedMs;
  }
  throw new Error(`an event was not in answers ${probeMsMax} ms after its 204`);
}
