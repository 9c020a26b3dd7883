import { type Fault, invalid, readBodyAs } from '@usage/lib/http/faults.ts';
import { readMeterDefinition } from '@usage/lib/meter/definition.ts';
import { EvaluationBody, evaluatedEventsMax } from '@usage/lib/queryApi/evaluation.ts';
import type { EvaluationRequest, PreviewMeter } from './service.ts';

/** Throws a Problem that names every fault. */
export function readEvaluation(namespace: string, body: unknown): EvaluationRequest {
  const { meter, event, limit = evaluatedEventsMax } = readBodyAs('evaluation', EvaluationBody, body);
  if (meter === undefined && event === undefined) {
    throw invalid('evaluation', [
      { field: '', reason: 'needs a meter to try, an event to explain, or both' },
    ]);
  }
  const faults: Fault[] = [];
  const preview = meter && previewOf(namespace, meter, faults);
  if (faults.length > 0) throw invalid('evaluation', faults);
  return { meter: preview, event, limit };
}

function previewOf(namespace: string, meter: object, faults: Fault[]): PreviewMeter | undefined {
  const read = readMeterDefinition({ slug: 'preview', ...meter });
  if ('faults' in read) {
    for (const { field, reason } of read.faults) faults.push({ field: `meter.${field}`, reason });
    return undefined;
  }
  const { slug, eventType, aggregation, valueProperty, valueExpression, filters, groupBy, eventFromUs } =
    read.value;
  const measured = { eventType, aggregation, valueProperty, valueExpression, filters, groupBy };
  return { namespace, slug, ...measured, generation: 0n, fromUs: eventFromUs };
}
