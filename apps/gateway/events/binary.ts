import type { EventIssue } from '@usage/lib/event/event.ts';
import { invalidEvents } from './invalidEvents.ts';

const attributePrefix = 'ce-';

/**
 * CloudEvents' HTTP binary mode as JSON text: `ce-*` headers become attributes, the body becomes `data` untouched,
 * Content-Type becomes `datacontenttype`. The body must have been parsed as JSON before.
 */
export function eventTextOf(headers: Headers, body: string): string {
  const members: string[] = [];
  const issues: EventIssue[] = [];
  headers.forEach((value, name) => {
    if (!name.startsWith(attributePrefix)) return;
    const attribute = name.slice(attributePrefix.length);
    if (attribute === 'data' || attribute === 'datacontenttype') {
      issues.push({
        field: attribute,
        reason: 'data is the body and its type is Content-Type: leave the header out',
      });
      return;
    }
    const text = decoded(value);
    if (text === undefined)
      issues.push({ field: attribute, reason: 'the header is not percent-encoded UTF-8' });
    else members.push(`${JSON.stringify(attribute)}:${JSON.stringify(text)}`);
  });
  if (issues.length > 0) throw invalidEvents(1, [{ index: 0, issues }]);
  const contentType = headers.get('content-type');
  if (contentType !== null) members.push(`"datacontenttype":${JSON.stringify(contentType)}`);
  if (body.trim() !== '') members.push(`"data":${body}`);
  return `{${members.join(',')}}`;
}

/**
 * First the quoted string, then one round of percent-decoding, as the HTTP binding says. Beyond ASCII, a header's bytes are
 * UTF-8, as CloudEvents' SDK for Go writes them; where they are not, they are the Latin-1 of HTTP, as fetch writes them. A %
 * that no two hexadecimal digits follow is itself, since no SDK encodes it. undefined where %… is no UTF-8.
 */
function decoded(value: string): string | undefined {
  const unquoted = /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
  try {
    return fromBytes(unquoted).replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Headers come as one character a byte. */
function fromBytes(header: string): string {
  if (!/[\x80-\xff]/.test(header)) return header;
  try {
    return utf8.decode(Buffer.from(header, 'latin1'));
  } catch {
    return header;
  }
}
