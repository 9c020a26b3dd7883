import {
  type FileKind,
  type ImportOptions,
  integer,
  namesColumns,
  OptionError,
  parse,
  readOptions,
} from './options.ts';

export interface WatchOptions {
  /** A folder, or s3://bucket/prefix. */
  place: string;
  seconds: number;
  takes(kind: FileKind): boolean;
  /** `file`: where it lies; `name`: how the place knows it, its source unless another one is given. */
  optionsFor(file: string, name: string): ImportOptions;
}

const watchSecondsMax = 86_400;

/** `PLACE --watch SECONDS`, with the options of its files; undefined without --watch. Throws an OptionError. */
export function readWatch(args: string[], env: Record<string, string | undefined>): WatchOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.watch === undefined) return undefined;
  const issues: string[] = [];
  const [place, ...more] = positionals;
  if (place === undefined || more.length > 0) issues.push('expected one folder or s3://bucket/prefix');
  const seconds = integer('watch', values.watch, watchSecondsMax, issues);
  if (values['dry-run'] || values.report !== undefined)
    issues.push('--dry-run and --report are for one file');
  if (issues.length > 0) throw new OptionError(issues.join('\n'));
  const at = args.indexOf(place!);
  const isTable = namesColumns(values);
  const optionsFor = (file: string, name: string) => {
    const options = readOptions([...args.slice(0, at), file, ...args.slice(at + 1)], env)!;
    return options.isSourceGiven ? options : { ...options, source: name };
  };
  optionsFor(isTable ? 'any.csv' : 'any.ndjson', 'any');
  const takes = (kind: FileKind) => kind === 'parquet' || (kind === 'csv') === isTable;
  return { place: place!, seconds, takes, optionsFor };
}
