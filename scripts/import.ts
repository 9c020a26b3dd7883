import { importFile } from './import/importFile.ts';
import { OptionError, readOptions } from './import/options.ts';
import { openPlace } from './import/places.ts';
import { usage } from './import/usage.ts';
import { watchPlace } from './import/watch.ts';
import { readWatch, type WatchOptions } from './import/watchOptions.ts';

/** `bun run import`: files of events through the gateway; `import/usage.ts` has its options and exit codes. */
const args = process.argv.slice(2);
try {
  const watch = args.includes('--help') ? undefined : readWatch(args, process.env);
  const options = watch ? undefined : readOptions(args, process.env);
  if (watch) await runWatch(watch);
  else if (options) process.exitCode = await importFile(options, console.log);
  else console.log(usage);
} catch (error) {
  const isWrongOption = error instanceof OptionError;
  console.error(
    `${(error as Error).message}${isWrongOption ? '\n\nbun run import --help lists the options.' : ''}`,
  );
  process.exitCode = isWrongOption ? 2 : 1;
}

async function runWatch({ place, ...watch }: WatchOptions): Promise<void> {
  const opened = await openPlace(place);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await watchPlace({ ...watch, place: opened, print: console.log, signal: stop.signal });
}
