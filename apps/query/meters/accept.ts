export type AnswerFormat = 'json' | 'csv' | 'ndjson' | 'parquet';

const typesOf: Record<string, AnswerFormat> = {
  'application/json': 'json',
  'application/*': 'json',
  'text/csv': 'csv',
  'text/*': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/vnd.apache.parquet': 'parquet',
};

/** Another format than JSON where it is asked for at least as much as JSON; of several the one asked for most, the first first. */
export function formatOf(accept: string | null): AnswerFormat {
  const qualities = new Map<AnswerFormat, number>();
  for (const part of (accept ?? '*/*').split(',')) {
    const [type = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const format = Object.hasOwn(typesOf, type) ? typesOf[type]! : undefined;
    if (!format) continue;
    const q = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    qualities.set(format, Math.max(qualities.get(format) ?? -1, q));
  }
  const least = Math.max(qualities.get('json') ?? 0, Number.MIN_VALUE);
  const others = [...qualities].filter(([format, q]) => format !== 'json' && q >= least);
  return others.sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'json';
}
