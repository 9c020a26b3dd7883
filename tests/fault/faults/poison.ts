import { encodeFrame } from '@usage/lib/frame/encode.ts';
import type { Arena, Fault } from '../fault.ts';

interface Letter {
  id: string;
  kind: 'frame' | 'event';
  reason: string;
}

const streamKey = '{usage}:events';
const listMsMax = 20_000;
const refusedMsMax = 10_000;

/** Straight into the stream, as a broken or foreign writer would. */
async function inject({ stack }: Arena, frame: Uint8Array | undefined, events: number): Promise<void> {
  await stack.admin.incrby('{usage}:accepted', events);
  const fields = frame === undefined ? ['other', 'x'] : ['f', Buffer.from(frame), 'n', events];
  await stack.admin.xadd(streamKey, '*', ...fields);
}

async function letters({ stack }: Arena): Promise<Letter[]> {
  const answer = await fetch(`${stack.app('gateway').url}/api/v1/dead-letters?limit=100`);
  if (!answer.ok) throw new Error(`dead letters: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { items: Letter[] }).items;
}

async function redrive({ stack }: Arena, ids: string[]): Promise<number> {
  const answer = await fetch(`${stack.app('gateway').url}/api/v1/dead-letters/redrive`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ids }),
  });
  if (!answer.ok) throw new Error(`redrive: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { redriven: number }).redriven;
}

/** Dead letters beyond the ones known before, once there are `count` of them. */
async function newLetters(arena: Arena, known: Set<string>, count: number): Promise<Letter[]> {
  const deadline = performance.now() + listMsMax;
  let found: Letter[] = [];
  do {
    found = (await letters(arena)).filter((letter) => !known.has(letter.id));
    if (found.length < count) await Bun.sleep(50);
  } while (found.length < count && performance.now() < deadline);
  if (found.length !== count) {
    const reasons = found.map(({ reason }) => reason).join(' | ');
    arena.broken(`${found.length} dead letters instead of ${count}: ${reasons}`);
  }
  for (const letter of found) known.add(letter.id);
  return found;
}

const known = new Set<string>();
/** No other frame says that it holds so many. */
const deadlyEvents = 4_711;
const endsMax = 6;
const endMsMax = 12_000;

export const poisonFaults: Fault[] = [
  {
    name: 'poison-frames',
    about:
      'frames that cannot be decoded, and events in frames that nobody could have validated, among good ones',
    strikesMax: 3,
    async before(arena) {
      known.clear();
      for (const letter of await letters(arena)) known.add(letter.id);
    },
    async strike(arena) {
      const part = (events: string, receivedMs: unknown = Date.now(), namespace = 'default') =>
        Buffer.from(
          `\u0001[${JSON.stringify({ namespace, receivedMs })}]`.replace('}]', `,"events":${events}}]`),
        );
      const event = (more: object) =>
        JSON.stringify({
          specversion: '1.0',
          id: crypto.randomUUID(),
          source: 's',
          type: 't',
          subject: 'x',
          ...more,
        });
      const frames: (Uint8Array | undefined)[] = [
        undefined,
        new Uint8Array(),
        Uint8Array.of(9, 1, 2, 3),
        Uint8Array.of(2, 0x28, 0xb5, 0x2f, 0xfd, 1, 1),
        Buffer.from('\u0001{"not":"parts"}'),
        Buffer.from('\u0001[{"namespace":"default"'),
        Buffer.from('\u0001not json \u0000 at all'),
        part('[null]'),
        part(`[${event({ subject: '' })}]`),
        part(`[${event({ time: 'yesterday' })}]`),
        part(`[${event({})}]`, 1e300),
        part(`[${event({})}]`, -1),
        part(`[${event({ id: 'a\u0000b' })}]`),
        part(`[${event({})}]`, Date.now(), 'name\u0000space'),
        part(`[${event({ type: longerThanAnIndexEntry() })}]`),
      ];
      // The letter of a namespace that holds NUL is kept, but no list of a real namespace shows it.
      const listed = frames.length - 1;
      for (const frame of frames) await inject(arena, frame, frame === undefined ? 0 : 1);
      const good = arena.load.take(20);
      const mixed = `${good.json.slice(0, -1)},${event({ id: 'c\u0000d' })}]`;
      await inject(
        arena,
        encodeFrame([{ namespace: 'default', receivedMs: Date.now(), events: mixed, count: 21 }]),
        21,
      );
      const found = await newLetters(arena, known, listed + 1);
      const hopeless = found.filter(({ reason }) => reason.includes('0x00')).map(({ id }) => id);
      const driven = await redrive(arena, hopeless);
      if (driven !== hopeless.length)
        arena.broken(`${driven} dead letters were driven again, not ${hopeless.length}`);
      await newLetters(arena, known, hopeless.length);
    },
  },
  {
    name: 'events-refused',
    about:
      'events that PostgreSQL refuses though validation passed, sent over HTTP: dead letters; driven again when mended, they are stored',
    strikesMax: 2,
    async before(arena) {
      known.clear();
      for (const letter of await letters(arena)) known.add(letter.id);
    },
    async strike(arena) {
      const { stack, random } = arena;
      await stack.sql`
        CREATE OR REPLACE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.source = 'fault-suite' AND (NEW.data ->> 'user') = 'u13' THEN
            RAISE EXCEPTION 'the suite refuses this one' USING ERRCODE = '22023';
          END IF;
          RETURN NEW;
        END $$`;
      await stack.sql`CREATE TRIGGER refuse_some BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse_some()`;
      await Bun.sleep(random.between(200, 800)); // user 13 has every 500th event
      // A large batch is halved many times before the first row of it stands alone.
      const deadline = performance.now() + refusedMsMax;
      const refused = async () => (await letters(arena)).some(({ id }) => !known.has(id));
      while (!(await refused()) && performance.now() < deadline) await Bun.sleep(50);
      await stack.sql`DROP TRIGGER refuse_some ON events`;
    },
    async after(arena) {
      const deadline = performance.now() + listMsMax;
      let driven = 0;
      do {
        const found = (await letters(arena)).filter(({ id }) => !known.has(id));
        if (found.length === 0) break;
        for (const { id, reason } of found) {
          known.add(id);
          if (!reason.includes('the suite refuses')) arena.broken(`an unexpected dead letter: ${reason}`);
        }
        driven += await redrive(
          arena,
          found.map(({ id }) => id),
        );
      } while (performance.now() < deadline);
      arena.note(`${driven} dead letters driven again and stored`);
      if (driven === 0) arena.broken('nothing was refused: the fault met no event');
    },
  },
  {
    name: 'frame-that-ends-processors',
    about:
      'reading one frame ends the process each time: it is a dead letter at the sixth delivery, and the frames beside it are stored',
    stack: { settings: { CLAIM_IDLE_MS: '1000' } },
    strikesMax: 1,
    async before(arena) {
      known.clear();
      for (const letter of await letters(arena)) known.add(letter.id);
    },
    async strike(arena) {
      const { stack, broken, note } = arena;
      const processor = stack.app('processor');
      const restart = async () => {
        await processor.end();
        processor.start({ USAGE_FAIL_POINT: `decode-${deadlyEvents}` });
      };
      await restart();
      await inject(arena, Buffer.from('\u0001[]'), deadlyEvents);
      let ends = 0;
      while (ends < endsMax && (await processor.endsWithin(endMsMax))) {
        ends++;
        await restart();
      }
      if (ends !== endsMax - 1) broken(`the frame ended ${ends} processors, not ${endsMax - 1}`);
      const [letter] = await newLetters(arena, known, 1);
      if (letter) note(`after ${ends} ends: ${letter.reason}`);
    },
  },
];

/** 40 kB that don't compress into the 2.7 kB of an index entry. */
function longerThanAnIndexEntry(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(20_000))).toString('hex');
}
