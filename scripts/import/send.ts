import { type Gateway, GatewayError, request } from './gateway.ts';
import type { ReadyEvent } from './ids.ts';

export interface SendOptions {
  gateway: Gateway;
  /** Events a request. */
  batchEvents: number;
  onSent(events: number): void;
}

const requestsInFlightMax = 4;
/** Below what a gateway takes by default. */
const batchCharsMax = 4 * 1024 * 1024;

/** Sends events in batches, a few at once. Rejects with the first answer that is a refusal; those under way are awaited. */
export async function sendEvents(
  events: AsyncIterable<ReadyEvent>,
  options: SendOptions,
): Promise<{ events: number; requests: number }> {
  const total = { events: 0, requests: 0 };
  const inFlight = new Set<Promise<void>>();
  let batch: ReadyEvent[] = [];
  let chars = 0;
  let failure: Error | undefined;
  const flush = async () => {
    const sending = batch;
    batch = [];
    chars = 0;
    const sent: Promise<void> = sendBatch(sending, options.gateway)
      .then(() => {
        total.events += sending.length;
        total.requests++;
        options.onSent(sending.length);
      })
      .catch((error) => {
        failure ??= error as Error;
      })
      .finally(() => inFlight.delete(sent));
    inFlight.add(sent);
    if (inFlight.size >= requestsInFlightMax) await Promise.race(inFlight);
  };
  for await (const event of events) {
    batch.push(event);
    chars += event.json.length;
    if (batch.length >= options.batchEvents || chars >= batchCharsMax) await flush();
    if (failure) break;
  }
  if (batch.length > 0 && !failure) await flush();
  await Promise.all(inFlight);
  if (failure) throw failure;
  return total;
}

async function sendBatch(batch: ReadyEvent[], gateway: Gateway): Promise<void> {
  const text = `[${batch.map((event) => event.json).join(',')}]`;
  try {
    await request(gateway, '/api/v1/events', { type: 'application/cloudevents-batch+json', text });
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError(describe(error, batch), error.status, error.problem);
  }
}

function describe(error: GatewayError, batch: ReadyEvent[]): string {
  const issues = error.problem?.extensions?.validationErrors?.slice(0, 5) ?? [];
  const lines = issues.map(
    ({ index, field, reason }) => `  line ${batch[index ?? -1]?.line ?? '?'}: ${field ?? ''} ${reason ?? ''}`,
  );
  return [`lines ${batch[0]!.line} to ${batch.at(-1)!.line}: ${error.message}`, ...lines].join('\n');
}
