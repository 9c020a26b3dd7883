import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { checkZone } from '@usage/lib/windows/windows.ts';
import type { CsvMapping } from './csv.ts';
import { flags } from './usage.ts';

const batchMax = 10_000;
const headerLineMax = 1_000;

export type FileKind = 'ndjson' | 'json' | 'csv' | 'parquet';

export interface ImportOptions {
  file: string;
  kind: FileKind;
  url: string;
  key: string | undefined;
  batchEvents: number;
  source: string;
  /** Whether it was given, and isn't the file's name. */
  isSourceGiven: boolean;
  dryRun: boolean;
  skipInvalid: boolean;
  reportFile: string | undefined;
  allowUncounted: boolean;
  resume: boolean;
  firstImport: boolean;
  encoding: string | undefined;
  csv: CsvOptions | undefined;
}

export interface CsvOptions {
  mapping: CsvMapping;
  delimiter: string | undefined;
  headerLine: number | undefined;
  keepStrayQuotes: boolean;
}

/** Every wrong option at once, one a line. */
export class OptionError extends Error {
  override name = 'OptionError';
}

/** undefined: help is asked for. Throws an OptionError. */
export function readOptions(
  args: string[],
  env: Record<string, string | undefined>,
): ImportOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const issues: string[] = [];
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) issues.push('expected one file');
  const kind = kindOf(file ?? '');
  if (file !== undefined && kind === undefined)
    issues.push(`${file}: the name must end in .ndjson, .jsonl, .json, .csv, .tsv or .parquet`);
  if (!/^https?:$/.test(URL.parse(values.url)?.protocol ?? ''))
    issues.push(`--url ${values.url}: expected an address such as http://127.0.0.1:8000`);
  const batchEvents = integer('batch', values.batch, batchMax, issues);
  const hasColumns = kind === 'csv' || (kind === 'parquet' && namesColumns(values));
  const csv = hasColumns ? readCsvOptions(values, file!, issues) : undefined;
  if (kind === 'parquet') refuse(values, textOptions, 'files of text', issues);
  else if (kind !== 'csv' && kind !== undefined) refuse(values, csvOptions, 'CSV and Parquet files', issues);
  if (values.source === '') issues.push('--source must not be empty');
  if (issues.length > 0) throw new OptionError(issues.join('\n'));
  return {
    file: file!,
    kind: kind!,
    url: values.url.replace(/\/+$/, ''),
    key: values.key ?? env.API_KEY,
    batchEvents,
    source: values.source ?? basename(file!),
    isSourceGiven: values.source !== undefined,
    dryRun: values['dry-run'],
    skipInvalid: values['skip-invalid'],
    reportFile: values.report,
    allowUncounted: values['allow-uncounted'],
    resume: values.resume,
    firstImport: values['first-import'],
    encoding: values.encoding,
    csv,
  };
}

export type Values = ReturnType<typeof parse>['values'];

export function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: flags });
  } catch (error) {
    throw new OptionError((error as Error).message);
  }
}

export function kindOf(file: string): FileKind | undefined {
  if (/\.(ndjson|jsonl)$/i.test(file)) return 'ndjson';
  if (/\.json$/i.test(file)) return 'json';
  if (/\.parquet$/i.test(file)) return 'parquet';
  return /\.(csv|tsv)$/i.test(file) ? 'csv' : undefined;
}

function readCsvOptions(values: Values, file: string, issues: string[]): CsvOptions {
  const from = (name: 'type' | 'subject') => {
    const constant = values[name];
    const column = values[`${name}-column`];
    if ((constant === undefined) === (column === undefined))
      issues.push(`a table needs --${name} or --${name}-column`);
    if (constant === '') issues.push(`--${name} must not be empty`);
    return column === undefined ? { constant: constant ?? '' } : { column };
  };
  const zone = values['time-zone'] ?? 'UTC';
  try {
    checkZone(zone);
  } catch (error) {
    issues.push(`--time-zone: ${(error as Error).message}`);
  }
  const decimal = choice('decimal', values.decimal ?? '.', ['.', ','], issues);
  const thousands = values.thousands;
  if (thousands !== undefined) {
    choice('thousands', thousands, [',', '.', "'", ' '], issues);
    if (thousands === decimal) issues.push('--thousands and --decimal must not be the same');
  }
  const numberColumns = values.number ?? [];
  const textColumns = values.text ?? [];
  if (
    numberColumns.length === 0 &&
    (values.decimal ?? thousands ?? (values.currency || undefined)) !== undefined
  )
    issues.push('--decimal, --thousands and --currency need --number: which columns hold the numbers?');
  for (const both of numberColumns.filter((name) => textColumns.includes(name)))
    issues.push(`${both} can't be both --number and --text`);
  const order = values['date-order'];
  const delimiter = values.delimiter ?? (/\.tsv$/i.test(file) ? 'tab' : undefined);
  if (delimiter !== undefined) choice('delimiter', delimiter, [',', ';', '|', 'tab', '\t'], issues);
  const mapping: CsvMapping = {
    type: from('type'),
    subject: from('subject'),
    idColumn: values['id-column'],
    timeColumn: values['time-column'],
    data: fieldsOf(values.data ?? [], issues),
    numberColumns,
    numbers: { decimal, thousands, currency: values.currency },
    textColumns,
    times: {
      zone,
      dateOrder: order === undefined ? undefined : choice('date-order', order, ['dmy', 'mdy'], issues),
    },
    totals:
      values.totals === undefined ? 'refuse' : choice('totals', values.totals, ['skip', 'keep'], issues),
  };
  const quotes = values['stray-quotes'];
  if (quotes !== undefined) choice('stray-quotes', quotes, ['keep'], issues);
  return {
    mapping,
    delimiter: delimiter === 'tab' ? '\t' : delimiter,
    headerLine:
      values['header-line'] === undefined
        ? undefined
        : integer('header-line', values['header-line'], headerLineMax, issues),
    keepStrayQuotes: quotes !== undefined,
  };
}

function fieldsOf(pairs: string[], issues: string[]): CsvMapping['data'] {
  const fields = pairs.map((pair) => {
    const [field, column = field] = pair.split(/=(.*)/s);
    if (!field || !column) issues.push(`--data ${pair}: expected FIELD=COLUMN, or COLUMN`);
    return { field: field!, column: column! };
  });
  for (const [index, { field }] of fields.entries()) {
    if (fields.findIndex((other) => other.field === field) < index)
      issues.push(`--data ${field} is there twice`);
  }
  return fields;
}

/** About the columns of a table. */
const csvOptions = Object.keys(flags)
  .slice(Object.keys(flags).indexOf('type'))
  .filter((name) => name !== 'help');
/** About how a text is written. */
const textOptions = ['encoding', 'delimiter', 'header-line', 'stray-quotes'];

/** Whether something is said about columns. */
export function namesColumns(values: Values): boolean {
  return csvOptions.some((name) => isGiven(values, name));
}

function isGiven(values: Values, name: string): boolean {
  const value = values[name as keyof Values];
  return value !== undefined && value !== false;
}

function refuse(values: Values, names: readonly string[], are: string, issues: string[]): void {
  for (const name of names) if (isGiven(values, name)) issues.push(`--${name} is for ${are}`);
}

export function integer(name: string, text: string, max: number, issues: string[]): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value;
  issues.push(`--${name} ${text}: expected a whole number from 1 to ${max}`);
  return 1;
}

function choice<const T extends string>(
  name: string,
  text: string,
  values: readonly T[],
  issues: string[],
): T {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined)
    issues.push(`--${name} ${text}: expected ${values.map((one) => JSON.stringify(one)).join(' or ')}`);
  return value ?? values[0]!;
}
