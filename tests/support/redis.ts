import { Redis } from 'ioredis';
import { startTestRedis } from './servers.ts';

export interface TestRedis {
  url: string;
  /** Stops it, or gives its database back; call in afterAll. */
  drop(): Promise<void>;
}

/** As long as the longest test run: a claim whose holder was killed falls free by itself. */
const claimSecondsMax = 3_600;

/**
 * An empty Redis of the test file's own: a server of its own (some 20 ms), or, where REDIS_URL is set, one of that
 * server's logical databases from 1 on, claimed by a key in database 0. Flush only with FLUSHDB.
 */
export async function createRedis(): Promise<TestRedis> {
  if (process.env.REDIS_URL) return claimDatabase(process.env.REDIS_URL);
  const server = await startTestRedis();
  return { url: server.url, drop: server.stop };
}

async function claimDatabase(url: string): Promise<TestRedis> {
  const redis = new Redis(withDatabase(url, 0));
  try {
    const [, count] = (await redis.config('GET', 'databases')) as [string, string];
    for (let number = 1; number < Number(count); number++) {
      const claim = `usage_test:database:${number}`;
      if ((await redis.set(claim, process.pid, 'EX', claimSecondsMax, 'NX')) !== 'OK') continue;
      const own = withDatabase(url, number);
      await flush(own);
      return {
        url: own,
        async drop() {
          await flush(own);
          const admin = new Redis(withDatabase(url, 0));
          await admin.del(claim);
          admin.disconnect();
        },
      };
    }
    throw new Error(`all ${count} logical databases of REDIS_URL are claimed by other tests`);
  } finally {
    redis.disconnect();
  }
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.flushdb();
  redis.disconnect();
}

function withDatabase(url: string, number: number): string {
  const changed = new URL(url);
  changed.pathname = `/${number}`;
  return changed.href;
}
