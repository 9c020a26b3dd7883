import type { Stack } from './stack.ts';

export interface RoundMeter {
  slug: string;
  aggregation: 'SUM' | 'COUNT' | 'MAX' | 'AVG' | 'LATEST' | 'UNIQUE_COUNT';
  valueProperty?: string;
  groupBy?: Record<string, string>;
}

/** One meter an aggregation that merges differently; the first one's total is known to the load driver. */
export function metersOf(type: string): RoundMeter[] {
  const slug = (name: string) => `${type.replaceAll(/[^a-z0-9]/g, '_')}_${name}`;
  return [
    { slug: slug('sum'), aggregation: 'SUM', valueProperty: '$.amount', groupBy: { model: '$.model' } },
    { slug: slug('count'), aggregation: 'COUNT' },
    { slug: slug('max'), aggregation: 'MAX', valueProperty: '$.amount' },
    { slug: slug('latest'), aggregation: 'LATEST', valueProperty: '$.amount', groupBy: { model: '$.model' } },
    { slug: slug('users'), aggregation: 'UNIQUE_COUNT', valueProperty: '$.user' },
  ];
}

const triesMax = 200;
const pauseMs = 100;

/** `key`: a tenant's; the operator's where undefined. Makes the meter through the gateway, again and again while something is down. */
export async function createMeter(
  stack: Stack,
  type: string,
  meter: RoundMeter,
  key?: string,
): Promise<void> {
  const body = JSON.stringify({ ...meter, eventType: type });
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await fetch(`${stack.app('gateway').url}/api/v1/meters`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...stack.headers(key) },
      body,
      signal: AbortSignal.timeout(10_000),
    }).catch(() => undefined);
    // 409: the answer to an earlier try got lost.
    if (answer?.ok || answer?.status === 409) return;
    if (answer && answer.status < 500) throw new Error(`no meter: ${answer.status} ${await answer.text()}`);
    await Bun.sleep(pauseMs);
  }
  throw new Error(`the meter ${meter.slug} could not be made`);
}

export async function deleteMeters(stack: Stack, meters: readonly RoundMeter[]): Promise<void> {
  for (const { slug } of meters)
    await fetch(`${stack.app('gateway').url}/api/v1/meters/${slug}`, {
      method: 'DELETE',
      headers: stack.headers(),
    });
}

/** What the whole way answers: gateway, query service, rollups. In windows of hours or days, or in one. */
export async function askTotal(stack: Stack, slug: string, windowSize?: 'HOUR' | 'DAY'): Promise<number> {
  const windows = windowSize ? `?windowSize=${windowSize}` : '';
  const answer = await fetch(`${stack.app('gateway').url}/api/v1/meters/${slug}/query${windows}`, {
    headers: stack.headers(),
    signal: AbortSignal.timeout(30_000),
  });
  if (!answer.ok) throw new Error(`the query of ${slug} answered ${answer.status}: ${await answer.text()}`);
  const { data } = (await answer.json()) as { data: { value: number }[] };
  return data.reduce((sum, row) => sum + row.value, 0);
}
