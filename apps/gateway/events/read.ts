import { faultsOf } from '@usage/lib/event/event.ts';
import { parseBody, readBody } from '@usage/lib/http/body.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { eventTextOf } from './binary.ts';
import { layoutOf } from './contentType.ts';
import { type BadEvent, invalidEvents } from './invalidEvents.ts';

export interface RequestLimits {
  bodyBytesMax: number;
  requestEventsMax: number;
}

/** Valid events as the client's JSON, every digit as it came. */
export interface AcceptedEvents {
  /** JSON text: one event or an array of them. */
  text: string;
  bytes: number;
  count: number;
}

/**
 * Reads and validates the events of a request. All or nothing: throws one Problem that names every bad event
 * (the first hundred faults, and how many more there are).
 */
export async function readEvents(request: Request, limits: RequestLimits): Promise<AcceptedEvents> {
  const layout = layoutOf(request.headers);
  const { text, bytes } = await readBody(request, limits.bodyBytesMax);
  switch (layout) {
    case 'binary': {
      if (text.trim() !== '') parseBody(request, text);
      const event = eventTextOf(request.headers, text);
      checkEvents([JSON.parse(event)]);
      return { text: event, bytes: Buffer.byteLength(event), count: 1 };
    }
    case 'one': {
      checkEvents([parseBody(request, text)]);
      return { text, bytes, count: 1 };
    }
    case 'many':
    case 'oneOrMany': {
      const value = parseBody(request, text);
      if (layout === 'many' && !Array.isArray(value)) {
        throw new Problem(
          'bad_request',
          'A batch is a JSON array of events; send one event as application/cloudevents+json.',
        );
      }
      const events = Array.isArray(value) ? value : [value];
      // As OpenMeter has it: an empty CloudEvents batch is fine (the specification says so), empty JSON is not.
      if (events.length === 0 && layout === 'oneOrMany')
        throw new Problem('bad_request', 'The array holds no events.');
      if (events.length > limits.requestEventsMax)
        throw tooManyEvents(events.length, limits.requestEventsMax);
      checkEvents(events);
      return { text, bytes, count: events.length };
    }
  }
}

function checkEvents(events: readonly unknown[]): void {
  let bad: BadEvent[] | undefined;
  for (let index = 0; index < events.length; index++) {
    const faults = faultsOf(events[index]);
    if (faults.length === 0) continue;
    bad ??= [];
    bad.push({ index, faults });
  }
  if (bad) throw invalidEvents(events.length, bad);
}

function tooManyEvents(count: number, countMax: number): Problem {
  return new Problem('too_large', `${count} events in one request; at most ${countMax}: send them in parts.`);
}
