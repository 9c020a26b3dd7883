import type { Arena, Fault } from './fault.ts';
import { Load } from './load.ts';
import { createMeter, deleteMeters, metersOf } from './meters.ts';
import type { Random } from './random.ts';
import { closeReconciliation, type Reconciliation } from './reconciliation.ts';
import type { Stack } from './stack.ts';
import type { AppName } from './stackOptions.ts';

export interface RoundOptions {
  number: number;
  fault: Fault;
  random: Random;
  events: number;
  rate: number;
  quick: boolean;
  /** Nobody waits for the round any more, however it ended. */
  over?: AbortSignal;
}

export interface RoundReport {
  round: number;
  fault: string;
  strikes: number;
  sent: number;
  accepted: number;
  retried: number;
  stored: number;
  duplicates: number;
  /** Beyond what the fault itself took away. */
  lost: number;
  /** What FLUSHALL and a played power cut took away, within what they may. */
  takenAway: number;
  doubled: number;
  /** Accepted and waiting when the fault was over. */
  backlog: number;
  /** From the end of the fault to an empty stream and merged rollups. */
  recoveryMs: number;
  /**
   * Where the round's time went: made ready, load and strikes, recovery (of it, until the driver had all its events
   * accepted), reconciliation and clearing up.
   */
  tookMs: { ready: number; strikes: number; recovery: number; accepted: number; reconciliation: number };
  /** No way out within the limit. */
  stuck: boolean;
  broken: string[];
  notes: string[];
}

const recoveryMsMax = 10_000;
/** A backlog drains at no less than this, on two processors that the load driver shares. */
const drainEventsASecond = 10_000;
const stuckMsMax = 120_000;
const pollMs = 20;
/** Strikes are spread over this share of a round's events, unless the events come too slowly. */
const strikesShare = 0.9;
const sentMsMax = 5_000;

/** Load, strikes, recovery, reconciliation. Leaves the stack whole for the next round. */
export async function runRound(stack: Stack, options: RoundOptions): Promise<RoundReport> {
  const { fault, random, number } = options;
  const begunMs = performance.now();
  const type = `fault-${number}-${random.seed}`;
  const meters = metersOf(type);
  const broken: string[] = [];
  const notes: string[] = [];
  let mayLose = 0;
  const late = meters.at(-2)!; // made while load runs: its rollups need a backfill
  for (const meter of meters) if (meter !== late) await createMeter(stack, type, meter);
  const [now] = await stack.sql<{ since: string }[]>`SELECT now()::text AS since`;

  for (const [name, settings] of Object.entries(fault.beside ?? {}))
    stack.app(name as AppName, settings).start();
  await stack.untilReady();
  const streamClock = {
    get ms() {
      return Date.now() + this.aheadMs;
    },
    aheadMs: 0,
  };
  const load = new Load({
    type,
    urls: () => stack.gatewayUrls,
    headers: stack.headers(),
    random: random.fork(),
    eventsMin: options.events,
    eventsMax: options.events * 20,
    rate: options.rate,
    idClockMs: () => streamClock.ms,
    over: options.over,
  });
  const arena: Arena = {
    stack,
    load,
    random,
    type,
    streamClock,
    quick: options.quick,
    pause: (msMin, msMax) => Bun.sleep(random.between(msMin, msMax)),
    broken: (sentence) => broken.push(sentence),
    mayLose: (events) => {
      mayLose += events;
    },
    note: (sentence) => notes.push(sentence),
  };
  const struckMs = performance.now();
  await fault.before?.(arena);
  const strikes = random.between(1, fault.strikesMax ?? 3);
  const lateMeter = createMeter(stack, type, late);
  for (let strike = 0; strike < strikes; strike++) {
    await untilSent(load, (options.events * strikesShare * (strike + random.next())) / strikes);
    await arena.pause(0, 300);
    await fault.strike(arena, strike);
  }
  await stack.restore();
  const endedMs = performance.now();
  const { backlog } = await lag(stack);
  const unsent = load.left;
  const finished = await load.finish(stuckMsMax);
  const acceptedMs = Math.round(performance.now() - endedMs);
  await lateMeter;
  const stuck = !finished || !(await untilDrained(stack));
  const recoveryMs = Math.round(performance.now() - endedMs);
  if (stuck)
    broken.push(
      `stuck: ${JSON.stringify(await lag(stack))}, ${load.numbered - load.totals.accepted} events not accepted`,
    );
  if (fault.after) {
    await fault.after(arena);
    if (!(await untilDrained(stack))) broken.push('stuck: what was driven again is not stored');
  }

  // A quick round is over before an app that was struck is back: the reconciliation ask them all.
  await stack.untilReady();
  const reconciliation: Reconciliation = await closeReconciliation(stack, {
    type,
    numbered: load.totals.accepted,
    since: now!.since,
  });
  broken.push(...reconciliation.faults, ...stack.takeCrashes());
  const lost = Math.max(0, reconciliation.lost - mayLose);
  if (lost > 0)
    broken.push(
      `${reconciliation.lost} accepted events are lost${mayLose > 0 ? `, ${mayLose} at most may be` : ''}`,
    );
  // Else an event is left out as a duplicate only where a client sends it again although it was answered.
  const { repeated } = load.totals;
  if (fault.orderly && reconciliation.duplicates > repeated)
    broken.push(
      `${reconciliation.duplicates} events came twice, ${repeated} at most were sent again after their answer: requests were taken and not answered, or frames stored and not settled`,
    );
  if (reconciliation.doubled > 0) broken.push(`${reconciliation.doubled} events are stored twice`);
  const workMs = ((backlog + unsent) / drainEventsASecond) * 1_000;
  if (!stuck && recoveryMs > recoveryMsMax + workMs)
    broken.push(`recovery took ${recoveryMs} ms, ${recoveryMsMax + Math.round(workMs)} are allowed`);
  await stack.untilReady().catch((error) => broken.push((error as Error).message));
  await deleteMeters(stack, meters);
  notes.push(`answers ${[...load.answers].map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  return {
    round: number,
    fault: fault.name,
    strikes,
    ...load.totals,
    stored: reconciliation.stored,
    duplicates: reconciliation.duplicates,
    lost,
    takenAway: reconciliation.lost - lost,
    doubled: reconciliation.doubled,
    backlog,
    recoveryMs,
    tookMs: {
      ready: Math.round(struckMs - begunMs),
      strikes: Math.round(endedMs - struckMs),
      recovery: recoveryMs,
      accepted: acceptedMs,
      reconciliation: Math.round(performance.now() - endedMs - recoveryMs),
    },
    stuck,
    broken,
    notes,
  };
}

async function untilSent(load: Load, events: number): Promise<void> {
  const deadline = performance.now() + sentMsMax;
  while (load.numbered < events && performance.now() < deadline) await Bun.sleep(pollMs);
}

/** What is on its way between the gateways' 2xx and the rollups, and the meters whose last days are not closed yet. */
async function lag(
  stack: Stack,
): Promise<{ backlog: number; frames: number; deltas: number; backfills: number; openDays: number }> {
  const shards = await Promise.all(
    stack.tags.map(async (tag) => {
      const [accepted, settled] = await stack.admin.mget(`{${tag}}:accepted`, `{${tag}}:settled`);
      const frames = await stack.admin.xlen(`{${tag}}:events`);
      return { backlog: Number(accepted ?? 0) - Number(settled ?? 0), frames };
    }),
  );
  const sum = (of: (shard: { backlog: number; frames: number }) => number) =>
    shards.reduce((total, shard) => total + of(shard), 0);
  const [row] = await stack.sql<{ deltas: number; backfills: number; openDays: number }[]>`
    SELECT (SELECT count(*)::int FROM deltas) AS deltas,
           (SELECT count(*)::int FROM meters WHERE backfilled_at IS NULL AND deleted_at IS NULL) AS backfills,
           (SELECT count(*)::int FROM meters m LEFT JOIN rollup_days_closed c ON c.build = m.build AND c.before >= date_trunc('day', now() - INTERVAL '3 hours')
             WHERE m.deleted_at IS NULL AND c.build IS NULL) AS "openDays"`;
  return { backlog: sum(({ backlog }) => backlog), frames: sum(({ frames }) => frames), ...row! };
}

async function untilDrained(stack: Stack): Promise<boolean> {
  const deadline = performance.now() + stuckMsMax;
  while (performance.now() < deadline) {
    const left = await lag(stack).catch(() => undefined);
    if (left && left.frames + left.deltas + left.backfills + left.openDays === 0) return true;
    await Bun.sleep(pollMs);
  }
  return false;
}
