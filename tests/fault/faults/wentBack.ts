import type { Arena, Fault } from '../fault.ts';
import { createMeter, metersOf, type RoundMeter } from '../meters.ts';
import type { StackOptions } from '../stackOptions.ts';
import { primarySettings, Standby } from '../standby.ts';
import { crossBoundary } from './boundary.ts';

const customers = 100;
const customersABatch = 5;
const storedMsMax = 60_000;
const pollMs = 20;
/** Of the fail-over; by stack, since the base backup is taken before the load begins. */
const standbys = new WeakMap<object, Standby>();

/** Whose events of a type are meant. */
interface Counted {
  tenant: string;
  type: string;
}

const countOf = ({ type }: Counted): RoundMeter => ({
  slug: `${type.replaceAll(/[^a-z0-9]/g, '_')}_count`,
  aggregation: 'COUNT',
});

/** Events of new customers, in many batches: many deltas, whose ids another history gives again. */
async function send(arena: Arena, counted: Counted, prefix: string, eventsEach: number): Promise<void> {
  const names = namesOf(prefix);
  for (let at = 0; at < names.length; at += customersABatch)
    await sendBatch(arena, counted, names.slice(at, at + customersABatch), eventsEach);
}

/** Resolves when all are stored. */
async function sendBatch(
  { stack }: Arena,
  { tenant, type }: Counted,
  names: string[],
  eventsEach: number,
): Promise<void> {
  const key = await stack.keyOf(tenant);
  const events = names.flatMap((subject) =>
    Array.from({ length: eventsEach }, (_, n) => ({
      specversion: '1.0',
      id: `${type}-${subject}-${n}`,
      source: 'fault-suite',
      type,
      subject,
      data: {},
    })),
  );
  const deadline = performance.now() + storedMsMax;
  const post = () =>
    fetch(`${stack.app('gateway').url}/api/v1/events`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/cloudevents-batch+json',
        Prefer: 'wait=10',
        ...stack.headers(key),
      },
      body: JSON.stringify(events),
      signal: AbortSignal.timeout(15_000),
    }).catch(() => undefined);
  for (let answer = await post(); !answer?.ok; answer = await post()) {
    if (performance.now() > deadline)
      throw new Error(`events of ${type} were not taken in ${storedMsMax} ms`);
    await Bun.sleep(pollMs);
  }
}

function namesOf(prefix: string): string[] {
  return Array.from({ length: customers }, (_, n) => `${prefix}-${n}`);
}

/** Every customer with what the API says; undefined where it doesn't answer. */
async function ask({ stack }: Arena, counted: Counted): Promise<Map<string, number> | undefined> {
  const url = `${stack.app('gateway').url}/api/v1/meters/${countOf(counted).slug}/query?groupBy=subject`;
  const headers = stack.headers(await stack.keyOf(counted.tenant));
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  if (!answer?.ok) return undefined;
  const { data } = (await answer.json()) as { data: { subject: string; value: number }[] };
  return new Map(data.map(({ subject, value }) => [subject, value]));
}

/** Names, in sentences, what an answer has that is not the type's own. */
function strangersIn(
  { tenant, type }: Counted,
  found: Map<string, number>,
  own: readonly string[],
): string[] {
  const strangers = [...found.keys()].filter(
    (subject) => !own.some((prefix) => subject.startsWith(`${prefix}-`)),
  );
  return strangers.length === 0
    ? []
    : [`${strangers.length} customers of others have usage of ${type} of ${tenant}: ${strangers[0]}`];
}

/** Two tenants whose meters and types have the same names: only the namespace tells them apart. */
const ofA = (arena: Arena) => ({ tenant: 'tenant-a', type: `${arena.type}-calls` });
const ofB = (arena: Arena) => ({ tenant: 'tenant-b', type: `${arena.type}-calls` });
const lostOf = (arena: Arena) => ({ tenant: 'tenant-a', type: `${arena.type}-lost` });
const keptOf = (arena: Arena) => ({ tenant: 'tenant-b', type: `${arena.type}-kept` });

async function createCount({ stack }: Arena, counted: Counted): Promise<void> {
  await createMeter(stack, counted.type, countOf(counted), await stack.keyOf(counted.tenant));
}

async function failOver(arena: Arena): Promise<void> {
  const { stack, load, random, broken, note } = arena;
  const [a, b] = [ofA(arena), ofB(arena)];
  const standby = standbys.get(stack)!;
  await untilMetersThere(arena);
  await standby.cutOff();
  // With it away deltas wait, which queries hold by their ids; with it there series are made.
  const isMerging = random.chance(0.5);
  if (!isMerging) await stack.app('aggregator').end();
  const [before] = await standby.sql<{ rows: number }[]>`
    SELECT count(*)::int AS rows FROM events WHERE type = ${arena.type}`;

  // All of this is lost: series and deltas of A, a meter, a partition that was opened.
  await createCount(arena, lostOf(arena));
  await send(arena, a, 'lost', 1);
  await send(arena, lostOf(arena), 'lost', 1);
  for (let n = 0; n < 5; n++) await ask(arena, a);
  await crossBoundary(arena);
  await arena.pause(500, 2_000);
  for (let n = 0; n < 5; n++) await ask(arena, a);
  await standby.takeOver();
  arena.mayLose(load.totals.accepted - before!.rows);

  await createCount(arena, keptOf(arena));
  await send(arena, b, 'b', 2);
  for (let n = 0; n < 10; n++) {
    const found = await ask(arena, b);
    if (found) for (const sentence of strangersIn(b, found, ['b'])) broken(sentence);
  }
  stack.app('aggregator').start();
  await send(arena, a, 'a', 3);
  await send(arena, keptOf(arena), 'kept', 4);
  const partitions = await stack.sql<{ period: string }[]>`SELECT period::text FROM periods ORDER BY period`;
  note(
    `aggregator ${isMerging ? 'there' : 'away'}; partitions after the fail-over: ${partitions.map(({ period }) => period).join(', ')}`,
  );
}

/** The round makes its last meter while the load runs: it is not to be among what is lost. */
async function untilMetersThere({ stack, type }: Arena): Promise<void> {
  const slugs = metersOf(type).map(({ slug }) => slug);
  const deadline = performance.now() + storedMsMax;
  for (;;) {
    const [row] = await stack.sql<{ count: number }[]>`
      SELECT count(*)::int AS count FROM meters WHERE slug = ANY (${slugs})`;
    if (row!.count === slugs.length) return;
    if (performance.now() > deadline)
      throw new Error(`the meters of ${type} were not made in ${storedMsMax} ms`);
    await Bun.sleep(pollMs);
  }
}

/** Every number right, once all is merged. */
async function checkCustomers(arena: Arena): Promise<void> {
  const expected: [counted: Counted, prefix: string, each: number, also: string[]][] = [
    [ofA(arena), 'a', 3, ['early']],
    [ofB(arena), 'b', 2, []],
    [keptOf(arena), 'kept', 4, []],
  ];
  for (const [counted, prefix, each, also] of expected) {
    const found = await ask(arena, counted);
    const name = `${counted.type} of ${counted.tenant}`;
    if (!found) {
      arena.broken(`the query of ${name} was not answered`);
      continue;
    }
    for (const sentence of strangersIn(counted, found, [prefix, ...also])) arena.broken(sentence);
    const wrong = namesOf(prefix).filter((subject) => found.get(subject) !== each);
    if (wrong.length > 0)
      arena.broken(
        `${wrong.length} customers of ${name} have a wrong number: ${wrong[0]} ${found.get(wrong[0]!)}, not ${each}`,
      );
  }
}

function wentBack(name: string, about: string, options: StackOptions): Fault {
  return {
    name,
    about,
    stack: { ...options, keys: true, postgresSettings: primarySettings },
    strikesMax: 1,
    async before(arena) {
      const { stack } = arena;
      for (const counted of [ofA(arena), ofB(arena)]) await createCount(arena, counted);
      standbys.set(stack, await Standby.start(stack));
      await send(arena, ofA(arena), 'early', 1);
    },
    strike: failOver,
    after: checkCustomers,
  };
}

export const wentBackFaults: Fault[] = [
  wentBack(
    'database-went-back',
    'an asynchronous standby that lags takes over: ids, versions and partitions that the apps remember are lost or come again',
    {},
  ),
  wentBack('database-went-back-native', 'the same on native partitions', { timescale: false }),
];
