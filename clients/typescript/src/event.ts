import { uuidV7 } from './uuid.ts';

/** What happened; a CloudEvent whose `specversion` and, where they are left out, `id`, `source` and `time` are filled in. */
export interface UsageEvent {
  /** Meters choose events by it, such as "prompt". */
  type: string;
  /** Whose usage it is. */
  subject: string;
  /** What meters measure, such as { tokens: 1432 }. */
  data?: Record<string, unknown>;
  /** Identifies the event within its source: the same one counts once. By default a UUIDv7. */
  id?: string;
  /** By default the client's. */
  source?: string;
  /** By default now. */
  time?: Date | string;
}

/** CloudEvents JSON; throws a TypeError for what no gateway would take, before it is buffered. */
export function eventText(event: UsageEvent, source: string): string {
  const { type, subject, data, id, time } = event;
  requireText(type, 'type');
  requireText(subject, 'subject');
  if (id !== undefined) requireText(id, 'id');
  if (data !== undefined && (typeof data !== 'object' || data === null || Array.isArray(data)))
    throw new TypeError('data must be an object');
  return JSON.stringify({
    specversion: '1.0',
    id: id ?? uuidV7(),
    source: event.source ?? source,
    type,
    subject,
    time: typeof time === 'string' ? time : (time ?? new Date()).toISOString(),
    data,
  });
}

function requireText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '')
    throw new TypeError(`${name} must be a text that isn't empty`);
}
