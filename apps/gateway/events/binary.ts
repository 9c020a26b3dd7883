import type { EventFault } from '@usage/lib/event/event.ts';
import { invalidEvents } from './invalidEvents.ts';

const attributePrefix = 'ce-';

/**
 * CloudEvents' HTTP binary mode as JSON text: `ce-*` headers become attributes, the body becomes `data` untouched,
 * Content-Type becomes `datacontenttype`. The body must have been parsed as JSON before.
 */
export function eventTextOf(headers: Headers, body: string): string {
  const members: string[] = [];
  const faults: EventFault[] = [];
  headers.forEach((value, name) => {
    if (!name.startsWith(attributePrefix)) return;
    const attribute = name.slice(attributePrefix.length);
    if (attribute === 'data' || attribute === 'datacontenttype') {
      faults.push({
        field: attribute,
        reason: 'data is the body and its type is Content-Type: leave the header out',
      });
      return;
    }
    const text = decoded(value);
    if (text === undefined)
      faults.push({ field: attribute, reason: 'the header is not UTF-8, nor percent-encoded UTF-8' });
    else members.push(`${JSON.stringify(attribute)}:${JSON.stringify(text)}`);
  });
  if (faults.length > 0) throw invalidEvents(1, [{ index: 0, faults }]);
  const contentType = headers.get('content-type');
  if (contentType !== null) members.push(`"datacontenttype":${JSON.stringify(contentType)}`);
  if (body.trim() !== '') members.push(`"data":${body}`);
  return `{${members.join(',')}}`;
}

/**
 * First the quoted string, then one round of percent-decoding, as the HTTP binding says. Beyond ASCII, a header's bytes are
 * UTF-8, as CloudEvents' SDKs write them; HTTP hands them over as Latin-1. A % that no two hexadecimal digits follow is
 * itself, since no SDK encodes it. undefined where the text isn't UTF-8.
 */
function decoded(value: string): string | undefined {
  const unquoted = /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
  try {
    return fromUtf8(unquoted).replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws where the bytes are no UTF-8. */
function fromUtf8(latin1: string): string {
  return /[\x80-\xff]/.test(latin1) ? utf8.decode(Buffer.from(latin1, 'latin1')) : latin1;
}
