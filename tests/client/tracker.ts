import { writeSync } from 'node:fs';
import { UsageClient } from '../../clients/typescript/src/index.ts';
import { FileSpool } from '../../clients/typescript/src/spool.ts';

/**
 * A process that tracks until it is killed, or `count` events, and writes the number of those that were confirmed:
 * bun tracker.ts URL TYPE FIRST COUNT [SPOOL]
 */
const [url, type, first, count, folder] = process.argv.slice(2) as [string, string, string, string, string?];
const client = new UsageClient({
  url,
  source: 'tracker',
  limits: { lingerMs: 5, retryMsMax: 50 },
  onError: () => {},
  ...(folder === undefined ? {} : { spool: new FileSpool(folder) }),
});
const end = Number(first) + Number(count);
for (let n = Number(first); n < end; n++) {
  if (client.track({ id: `${type}-${n}`, type, subject: `from-${first}`, data: { n } })) {
    if (folder !== undefined && n % 10 === 0) writeSync(1, `${n}\n`);
  } else await client.room();
  if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
