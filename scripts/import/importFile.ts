import { exitCodeOf, remarksOn, requireSendable } from './decide.ts';
import type { ImportOptions } from './options.ts';
import { Progress } from './progress.ts';
import { Refusal, type RefusedRow } from './refusals.ts';
import { type Checked, ImportRun } from './run.ts';

type Print = (line: string) => void;

/** With their waits about half an hour. */
const attemptsMaxByDefault = 60;

/** Imports a file, or shows what would be: the exit code. Throws a Refusal, or a GatewayError where nobody answers. */
export async function importFile(
  options: ImportOptions,
  print: Print,
  attemptsMax = attemptsMaxByDefault,
): Promise<number> {
  const { file } = options;
  if (!(await Bun.file(file).exists())) throw new Refusal(`${file}: there is no such file.`);
  const progress = new Progress(Bun.file(file).size);
  const imported = new ImportRun(options, progress, attemptsMax);
  const checked = await imported.check();
  if (options.reportFile !== undefined) await writeReport(options.reportFile, checked);
  if (options.dryRun) return preview(checked, options, print);
  requireSendable(checked, options);
  const sent = await imported.send(checked);
  progress.done();
  for (const remark of remarksOn(checked, options)) print(remark);
  print(`${sent.events} events sent in ${sent.requests} requests.`);
  return exitCodeOf(checked);
}

/** What a run with the same options would send, and whether it would. */
function preview(checked: Checked, options: ImportOptions, print: Print): number {
  const { findings, layout } = checked;
  for (const { json } of findings.samples) print(json);
  const columns = options.kind === 'csv' ? `, columns by ${JSON.stringify(layout.delimiter)}` : '';
  print(`${findings.events} events; ${layout.encoding}${columns}`);
  if (findings.times) print(`times from ${findings.times.from} to ${findings.times.to}`);
  for (const { field, sum } of findings.sums) print(`sum of ${field}: ${sum}`);
  for (const remark of remarksOn(checked, options)) print(remark);
  requireSendable(checked, options);
  print('Nothing was sent (--dry-run).');
  return exitCodeOf(checked);
}

async function writeReport(path: string, { findings }: Checked): Promise<void> {
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const row = ({ line, reason }: RefusedRow) => `${line},${cell(reason)}\n`;
  const rows = [...findings.refused.map(row), ...findings.uncounted.map(row)];
  await Bun.write(path, ['line,reason\n', ...rows].join(''));
}
