import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Listed } from './service.ts';

/** OpenMeter's IngestedEvent as JSON text. Attributes and data stand in it as they were stored: not a digit is lost. */
export function ingestedEvent({ event, storedAtUs, correction, backfill, issues }: Listed): string {
  const rest = JSON.stringify({
    ingestedAt: formatTimeUs(event.arrived_us),
    storedAt: formatTimeUs(storedAtUs),
    ...(correction && { correction }),
    ...(backfill && { backfill }),
    ...(issues.length > 0 && { validationError: issues.join('\n') }),
  });
  return `{"event":${eventText(event)},${rest.slice(1)}`;
}

/** The same in v3's words. */
export function v3IngestedEvent({ event, storedAtUs, issues }: Listed): string {
  const rest = JSON.stringify({
    ingested_at: formatTimeUs(event.arrived_us),
    stored_at: formatTimeUs(storedAtUs),
    ...(issues.length > 0 && {
      validation_errors: issues.map((message) => ({ code: 'validation_error', message })),
    }),
  });
  return `{"event":${eventText(event)},${rest.slice(1)}`;
}

function eventText({ id, source, type, subject, time_us, attributes, data }: Listed['event']): string {
  const head = JSON.stringify({ specversion: '1.0', id, source, type, subject, time: formatTimeUs(time_us) });
  const more = attributes === null || attributes === '{}' ? '' : `,${attributes.trim().slice(1, -1)}`;
  return `${head.slice(0, -1)}${more}${data === null ? '' : `,"data":${data}`}}`;
}
