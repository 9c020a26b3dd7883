import type { CorrectableEvent } from '@usage/db/corrections/corrections.ts';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import type { Version } from './effects.ts';
import type { Correct } from './model.ts';

/** An event, and how it is to count. */
export interface Change {
  event: CorrectableEvent;
  /** undefined = counts no more. */
  amended: Version | undefined;
}

/** What is not given stays as it is now. */
export function amendedBy(
  { action, time, subject, data }: Correct,
  event: CorrectableEvent,
): Version | undefined {
  if (action === 'void') return undefined;
  const now = inForce(event) ?? asItCame(event);
  return {
    timeUs: time === undefined ? now.timeUs : parseTimeUs(time)!,
    subject: subject ?? now.subject,
    attributes: event.attributes,
    data: data === undefined ? now.data : JSON.stringify(data),
  };
}

function asItCame({ time_us: timeUs, subject, attributes, data }: CorrectableEvent): Version {
  return { timeUs, subject, attributes, data };
}

/** The version that counts now. */
export function inForce(event: CorrectableEvent): Version | undefined {
  if (event.correction_kind === 'void') return undefined;
  if (event.correction_kind === null) return asItCame(event);
  const { amended_time_us: timeUs, amended_subject: subject, amended_data: data, attributes } = event;
  return { timeUs: timeUs!, subject: subject!, attributes, data };
}

export function differs({ event, amended }: Change): boolean {
  const now = inForce(event);
  if (!now || !amended) return now !== amended;
  return now.timeUs !== amended.timeUs || now.subject !== amended.subject || now.data !== amended.data;
}
