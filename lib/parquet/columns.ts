import type { ParquetWriter } from 'hyparquet-writer';

/** `time`: µs since 1970 as a number. Cells may be null where the column says so. */
export interface Column {
  name: string;
  type: 'text' | 'time' | 'double' | 'integer' | 'boolean';
  nullable?: boolean;
}

export type Row = readonly (string | number | boolean | null)[];

const kinds = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  time: {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
  double: { type: 'DOUBLE' },
  integer: { type: 'INT32' },
  boolean: { type: 'BOOLEAN' },
} as const;

type Schema = ConstructorParameters<typeof ParquetWriter>[0]['schema'];

/** The columns as hyparquet-writer's schema. */
export function schemaOf(columns: readonly Column[]): Schema {
  const elements = columns.map(({ name, type, nullable }) => ({
    name,
    ...kinds[type],
    repetition_type: nullable ? ('OPTIONAL' as const) : ('REQUIRED' as const),
  }));
  return [{ name: 'root', num_children: columns.length }, ...elements];
}

/** The rows column by column, as hyparquet-writer takes them. */
export function columnDataOf(columns: readonly Column[], rows: readonly Row[]) {
  return columns.map(({ name, type }, at) => {
    const cells = rows.map((row) => row[at]!);
    return { name, data: type === 'time' ? cells.map((cell) => BigInt(cell as number)) : cells };
  });
}
