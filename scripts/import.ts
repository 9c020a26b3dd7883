import { exitCodeOf, remarksOn, requireSendable } from './import/decide.ts';
import { Refusal, type RefusedRow } from './import/faults.ts';
import { type ImportOptions, OptionFault, readOptions } from './import/options.ts';
import { Progress } from './import/progress.ts';
import { type Checked, ImportRun } from './import/run.ts';
import { usage } from './import/usage.ts';

/** `bun run import`: a file of events through the gateway; `import/usage.ts` has its options and exit codes. */
try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options) process.exitCode = await run(options);
  else console.log(usage);
} catch (error) {
  const isWrongOption = error instanceof OptionFault;
  console.error(
    `${(error as Error).message}${isWrongOption ? '\n\nbun run import --help lists the options.' : ''}`,
  );
  process.exitCode = isWrongOption ? 2 : 1;
}

async function run(options: ImportOptions): Promise<number> {
  const { file } = options;
  if (!(await Bun.file(file).exists())) throw new Refusal(`${file}: there is no such file.`);
  const progress = new Progress(Bun.file(file).size);
  const imported = new ImportRun(options, progress);
  const checked = await imported.check();
  if (options.reportFile !== undefined) await writeReport(options.reportFile, checked);
  if (options.dryRun) return preview(checked, options);
  requireSendable(checked, options);
  const sent = await imported.send(checked);
  progress.done();
  for (const remark of remarksOn(checked, options)) console.log(remark);
  console.log(`${sent.events} events sent in ${sent.requests} requests.`);
  return exitCodeOf(checked);
}

/** What a run with the same options would send, and whether it would. */
function preview(checked: Checked, options: ImportOptions): number {
  const { findings, layout } = checked;
  for (const { json } of findings.samples) console.log(json);
  const columns = options.csv ? `, columns by ${JSON.stringify(layout.delimiter)}` : '';
  console.log(`${findings.events} events; ${layout.encoding}${columns}`);
  if (findings.times) console.log(`times from ${findings.times.from} to ${findings.times.to}`);
  for (const { field, sum } of findings.sums) console.log(`sum of ${field}: ${sum}`);
  for (const remark of remarksOn(checked, options)) console.log(remark);
  requireSendable(checked, options);
  console.log('Nothing was sent (--dry-run).');
  return exitCodeOf(checked);
}

async function writeReport(path: string, { findings }: Checked): Promise<void> {
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const line = ({ line, reason }: RefusedRow) => `${line},${cell(reason)}\n`;
  await Bun.write(
    path,
    ['line,reason\n', ...findings.refused.map(line), ...findings.uncounted.map(line)].join(''),
  );
}
