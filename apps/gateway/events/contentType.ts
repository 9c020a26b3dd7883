import { Problem } from '@usage/lib/http/problem.ts';

/** How the body of an ingest request is laid out. */
export type EventLayout = 'one' | 'many' | 'oneOrMany' | 'binary';

/** The layout by the headers; throws 415 for what is no JSON in UTF-8. */
export function layoutOf(headers: Headers): EventLayout {
  const contentType = headers.get('content-type');
  const layout = contentType === null ? undefined : layouts.get(contentType);
  if (layout === undefined) return slowLayoutOf(headers, contentType);
  return layout === 'oneOrMany' && isBinaryMode(headers) ? 'binary' : layout;
}

/** As clients nearly always write them. */
const layouts = new Map<string, EventLayout>([
  ['application/json', 'oneOrMany'],
  ['application/cloudevents+json', 'one'],
  ['application/cloudevents-batch+json', 'many'],
]);

function slowLayoutOf(headers: Headers, contentType: string | null): EventLayout {
  if (contentType === null) {
    if (isBinaryMode(headers)) return 'binary';
    throw new Problem('unsupported_media_type', `Content-Type is missing; ${takenTypes}.`, accept);
  }
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter))?.slice(8);
  if (charset !== undefined && !/^"?utf-?8"?$/i.test(charset)) {
    throw new Problem('unsupported_media_type', `Only UTF-8 is taken, not ${charset.slice(0, 40)}.`, accept);
  }
  const layout = layouts.get(type.toLowerCase());
  if (layout && layout !== 'oneOrMany') return layout;
  if (isBinaryMode(headers) && (layout || /^[\w.-]+\/[\w.-]+\+json$/.test(type))) return 'binary';
  if (layout) return layout;
  throw new Problem('unsupported_media_type', `${type.slice(0, 100)} is not taken; ${takenTypes}.`, accept);
}

/** CloudEvents' HTTP binary mode: the attributes are headers, the body is the data. */
function isBinaryMode(headers: Headers): boolean {
  return headers.has('ce-specversion') || headers.has('ce-id');
}

const lineTypes = /^application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines)\s*(?:;\s*charset="?utf-?8"?\s*)?$/i;

/** One event a line. */
export function isLines(headers: Headers): boolean {
  const contentType = headers.get('content-type');
  return contentType !== null && lineTypes.test(contentType);
}

const takenTypes =
  'send application/cloudevents+json, application/cloudevents-batch+json, application/json or application/x-ndjson';
const accept = {
  headers: {
    Accept:
      'application/json, application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson',
  },
};
