import { type Issue, invalid, readBodyAs } from '@usage/lib/http/invalid.ts';
import { readMeterDefinition } from '@usage/lib/meter/definition.ts';
import { EvaluationBody, evaluatedEventsMax } from '@usage/lib/queryApi/evaluation.ts';
import type { EvaluationRequest, PreviewMeter } from './service.ts';

/** Throws a Problem that names every issue. */
export function readEvaluation(namespace: string, body: unknown): EvaluationRequest {
  const { meter, event, limit = evaluatedEventsMax } = readBodyAs('evaluation', EvaluationBody, body);
  if (meter === undefined && event === undefined) {
    throw invalid('evaluation', [
      { field: '', reason: 'needs a meter to try, an event to explain, or both' },
    ]);
  }
  const issues: Issue[] = [];
  const preview = meter && previewOf(namespace, meter, issues);
  if (issues.length > 0) throw invalid('evaluation', issues);
  return { meter: preview, event, limit };
}

function previewOf(namespace: string, meter: object, issues: Issue[]): PreviewMeter | undefined {
  const read = readMeterDefinition({ slug: 'preview', ...meter });
  if ('issues' in read) {
    for (const { field, reason } of read.issues) issues.push({ field: `meter.${field}`, reason });
    return undefined;
  }
  const { slug, eventType, aggregation, valueProperty, valueExpression, filters, groupBy, eventFromUs } =
    read.value;
  const measured = { eventType, aggregation, valueProperty, valueExpression, filters, groupBy };
  return { namespace, slug, ...measured, generation: 0n, fromUs: eventFromUs };
}
