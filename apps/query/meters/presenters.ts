import { type AnswerFormat, formatOf } from './accept.ts';
import { presentCsv } from './csv.ts';
import { presentJson, presentNdjson } from './json.ts';
import { presentParquet } from './parquet.ts';
import type { Presenter } from './service.ts';

const presenters: Record<AnswerFormat, Presenter> = {
  json: presentJson,
  csv: presentCsv,
  ndjson: presentNdjson,
  parquet: presentParquet,
};

/** How v1 answers, by the header Accept. */
export function presenterOf(accept: string | null): Presenter {
  return presenters[formatOf(accept)];
}
