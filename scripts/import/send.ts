import type { ReadyEvent } from './ids.ts';
import type { Progress } from './progress.ts';

export interface SendOptions {
  url: string;
  key: string | undefined;
  batchEvents: number;
  progress: Progress;
}

const requestsInFlightMax = 4;
const requestMsMax = 30_000;
const triesMax = 60;
const waitMsMax = 30_000;

/** Sends events in batches, a few at once; waits and tries again while the gateway answers 429 or 503 or is away. */
export async function sendEvents(
  events: AsyncIterable<ReadyEvent>,
  options: SendOptions,
): Promise<{ events: number; requests: number; waits: number }> {
  const total = { events: 0, requests: 0, waits: 0 };
  const inFlight = new Set<Promise<void>>();
  let batch: ReadyEvent[] = [];
  let failure: Error | undefined;
  const flush = async () => {
    const sending = batch;
    batch = [];
    const request: Promise<void> = sendBatch(sending, options)
      .then((waits) => {
        total.events += sending.length;
        total.requests++;
        total.waits += waits;
        options.progress.sent(sending.length);
      })
      .catch((error) => {
        failure ??= error as Error;
      })
      .finally(() => inFlight.delete(request));
    inFlight.add(request);
    if (inFlight.size >= requestsInFlightMax) await Promise.race(inFlight);
    if (failure) throw failure;
  };
  for await (const event of events) {
    batch.push(event);
    if (batch.length >= options.batchEvents) await flush();
  }
  if (batch.length > 0) await flush();
  await Promise.all(inFlight);
  if (failure) throw failure;
  return total;
}

/** Resolves to how often it had to wait. */
async function sendBatch(batch: ReadyEvent[], { url, key, progress }: SendOptions): Promise<number> {
  const body = `[${batch.map((event) => event.json).join(',')}]`;
  const headers: Record<string, string> = { 'Content-Type': 'application/cloudevents-batch+json' };
  if (key) headers.Authorization = `Bearer ${key}`;
  for (let tries = 0; ; tries++) {
    const answer = await post(`${url}/api/v1/events`, headers, body);
    if (answer instanceof Response && answer.ok) return tries;
    const temporary = answer instanceof Error || answer.status === 429 || answer.status === 503;
    if (!temporary || tries === triesMax) throw new Error(await describe(answer, batch));
    const askedMs = answer instanceof Error ? 0 : Number(answer.headers.get('retry-after') ?? 0) * 1_000;
    progress.waiting();
    await Bun.sleep(
      Math.min(Math.max(askedMs, 100 * 2 ** Math.min(tries, 8)), waitMsMax) * (0.75 + Math.random() / 4),
    );
  }
}

async function post(url: string, headers: Record<string, string>, body: string): Promise<Response | Error> {
  try {
    return await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(requestMsMax) });
  } catch (error) {
    return error as Error;
  }
}

async function describe(answer: Response | Error, batch: ReadyEvent[]): Promise<string> {
  const where = `${batch[0]!.origin} to ${batch.at(-1)!.origin}`;
  if (answer instanceof Error) return `${where}: the gateway can't be reached: ${answer.message}`;
  const text = await answer.text();
  const problem = jsonOf(text);
  const faults = problem?.extensions?.validationErrors?.slice(0, 5) ?? [];
  const lines = faults.map(
    (fault) => `  ${batch[fault.index ?? -1]?.origin ?? ''} ${fault.field ?? ''}: ${fault.reason ?? ''}`,
  );
  return [
    `${where}: the gateway answers ${answer.status}: ${problem?.detail ?? text.slice(0, 300)}`,
    ...lines,
  ].join('\n');
}

interface ProblemBody {
  detail?: string;
  extensions?: { validationErrors?: { index?: number; field?: string; reason?: string }[] };
}

function jsonOf(text: string): ProblemBody | undefined {
  try {
    return JSON.parse(text) as ProblemBody;
  } catch {
    return undefined;
  }
}
