import { issuesOf } from '@usage/lib/event/event.ts';
import { type Body, parseBody } from '@usage/lib/http/body.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { eventTextOf } from './binary.ts';
import { type Completion, completed } from './complete.ts';
import type { EventLayout } from './contentType.ts';
import { elementsOf } from './elements.ts';
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
  /** All events of the request, the bad ones too. */
  events: readonly unknown[];
  /** Only where the request was lenient. */
  rejected: readonly BadEvent[];
  /** Where the accepted events stood in the request; undefined = all of them are accepted. */
  keptIndexes: readonly number[] | undefined;
}

/**
 * The events of a body, validated. All or nothing: throws one Problem that names every bad event (the first hundred
 * issues, and how many more there are). Where it is lenient, bad events are left out, and it throws only when no good
 * one is left.
 */
export function eventsOf(
  layout: EventLayout,
  headers: Headers,
  { text, bytes }: Body,
  limits: RequestLimits,
  lenient = false,
  completion: Completion = { versionOptional: false },
): AcceptedEvents {
  switch (layout) {
    case 'binary': {
      if (text.trim() !== '') parseBody(text);
      const event = eventTextOf(headers, text);
      return checked([JSON.parse(event)], event, Buffer.byteLength(event), noArray, completion);
    }
    case 'one':
      return checked([parseBody(text)], text, bytes, noArray, completion);
    case 'many':
    case 'oneOrMany': {
      const value = parseBody(text);
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
      const isArray = Array.isArray(value);
      return checked(events, text, bytes, { isArray, lenient: lenient && isArray }, completion);
    }
    default:
      return layout satisfies never;
  }
}

/** A body that is one event. */
const noArray = { isArray: false, lenient: false };

function checked(
  events: readonly unknown[],
  text: string,
  bytes: number,
  { isArray, lenient }: { isArray: boolean; lenient: boolean },
  completion: Completion | undefined,
): AcceptedEvents {
  const bad = badEvents(events);
  if (!bad) return { text, bytes, count: events.length, events, rejected: [], keptIndexes: undefined };
  const whole = completion && completedText(text, isArray, bad, completion);
  if (whole !== undefined) {
    const value: unknown = JSON.parse(whole);
    const all = isArray ? (value as unknown[]) : [value];
    return checked(all, whole, Buffer.byteLength(whole), { isArray, lenient }, undefined);
  }
  if (!lenient || bad.length === events.length) throw invalidEvents(events.length, bad);
  const badIndexes = new Set(bad.map(({ index }) => index));
  const keptIndexes = events.flatMap((_, index) => (badIndexes.has(index) ? [] : [index]));
  const elements = elementsOf(text);
  const kept = `[${keptIndexes.map((index) => elements[index]).join(',')}]`;
  const count = keptIndexes.length;
  return { text: kept, bytes: Buffer.byteLength(kept), count, events, rejected: bad, keptIndexes };
}

/** The body with those of the bad events completed that can be; undefined where none can. */
function completedText(
  text: string,
  isArray: boolean,
  bad: readonly BadEvent[],
  completion: Completion,
): string | undefined {
  const elements = isArray ? elementsOf(text) : [text];
  let found = false;
  for (const { index } of bad) {
    const whole = completed(elements[index]!, completion);
    if (whole === undefined) continue;
    elements[index] = whole;
    found = true;
  }
  if (!found) return undefined;
  return isArray ? `[${elements.join(',')}]` : elements[0];
}

/** undefined where there is none: nothing is allocated then. */
function badEvents(events: readonly unknown[]): BadEvent[] | undefined {
  let bad: BadEvent[] | undefined;
  for (let index = 0; index < events.length; index++) {
    const issues = issuesOf(events[index]);
    if (issues.length === 0) continue;
    bad ??= [];
    bad.push({ index, issues });
  }
  return bad;
}

function tooManyEvents(count: number, countMax: number): Problem {
  return new Problem('too_large', `${count} events in one request; at most ${countMax}: send them in parts.`);
}
