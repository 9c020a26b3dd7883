import { type Driven, prepareDriver } from './driver.ts';
import type { Workload } from './events.ts';
import { round, type Use, UseMeter } from './measure.ts';
import { OpenReconciliation, type Reconciliation } from './reconciliation.ts';
import { type Figures, grouped, type Progress } from './report.ts';
import type { Stack } from './stack.ts';

export interface IngestPlan {
  workload: Workload;
  connections: number;
  seconds: number;
  eventsPerSecond?: number;
}

export interface Ingested {
  driven: Driven;
  reconciliation: Reconciliation;
  use: Use;
  /** From the first request until every accepted event was committed and rolled up. */
  seconds: number;
  acceptedPerSecond: number;
  storedPerSecond: number;
}

/** Drives events into the gateway, waits until they are stored and rolled up, and reconciles them. */
export async function ingest(stack: Stack, plan: IngestPlan, progress: Progress): Promise<Ingested> {
  const { workload, connections, seconds, eventsPerSecond } = plan;
  const driver = await prepareDriver(
    {
      url: `${stack.gatewayUrl}/api/v1/events`,
      headers: stack.headers,
      connections,
      secondsMax: seconds,
      workload,
      ...(eventsPerSecond === undefined
        ? {}
        : { requestsPerSecond: Math.max(1, Math.round(eventsPerSecond / workload.eventsPerRequest)) }),
    },
    ({ events }) => progress(`${grouped(events)} events accepted`),
  );
  const reconciliation = await OpenReconciliation.open(stack);
  const meter = new UseMeter(stack.processes);
  meter.start();
  const driven = await driver.go();
  const settledMs = await reconciliation.settled((events, deltas) =>
    progress(`${grouped(events)} events wait to be stored, ${deltas} deltas to be merged`),
  );
  const use = meter.stop();
  const closed = await reconciliation.close(
    driven.connectionErrors === 0 ? driven.eventsAccepted : undefined,
  );
  const tookSeconds = (settledMs - driven.startedMs) / 1_000;
  return {
    driven,
    reconciliation: closed,
    use,
    seconds: tookSeconds,
    acceptedPerSecond: driven.eventsAccepted / ((driven.endedMs - driven.startedMs) / 1_000),
    storedPerSecond: (closed.stored + closed.duplicates) / tookSeconds,
  };
}

/** The figures that all ingest scenarios have. */
export function ingestFigures({ driven, reconciliation, use, seconds, ...rates }: Ingested): Figures {
  const cpuSeconds: Record<string, number> = { ...use.cpuSeconds, driver: round(driven.cpuSeconds, 2) };
  return {
    acceptedPerSecond: Math.round(rates.acceptedPerSecond),
    storedPerSecond: Math.round(rates.storedPerSecond),
    seconds: round(seconds, 1),
    reconciliation: { ...reconciliation },
    statuses: driven.statuses,
    latencyMs: latencyFigures(driven),
    cpuSeconds,
    cpuMicrosecondsPerEvent: Object.fromEntries(
      Object.entries(cpuSeconds).map(([name, used]) => [
        name,
        round((used / reconciliation.accepted) * 1_000_000, 2),
      ]),
    ),
    peakMemoryMb: use.peakMemoryMb,
  };
}

export function latencyFigures({ latencyMs }: Driven): Figures {
  return Object.fromEntries(Object.entries(latencyMs).map(([name, ms]) => [name, round(ms, 2)]));
}
