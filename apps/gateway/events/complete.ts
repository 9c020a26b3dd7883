import { issuesOf } from '@usage/lib/event/event.ts';
import { parseJson } from '@usage/lib/json/parse.ts';

/** What a client may leave out or write otherwise. Events that are valid as they came never get here. */
export interface Completion {
  /** OpenMeter's v3: an event without specversion is one of 1.0. */
  versionOptional: boolean;
}

const fatalUtf8 = new TextDecoder('utf-8', { fatal: true });
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The JSON text of an event, made valid: `data_base64` that holds a JSON object becomes `data`, every digit as it came.
 * undefined where it isn't valid all the same.
 */
export function completed(text: string, completion: Completion): string | undefined {
  try {
    return complete(text, completion);
  } catch {
    return undefined; // nested too deep to be written again, or no JSON
  }
}

function complete(text: string, { versionOptional }: Completion): string | undefined {
  const event = parseJson(text);
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return undefined;
  const { data_base64: packed, ...members } = event as Record<string, unknown>;
  const lacksVersion = versionOptional && members.specversion === undefined;
  if (!lacksVersion && (packed === undefined || packed === null)) return undefined;
  if (lacksVersion) members.specversion = '1.0';
  const data = packed === undefined || packed === null ? undefined : unpacked(packed);
  if (data === undefined && packed !== undefined && packed !== null) return undefined;
  if (data !== undefined && members.data !== undefined) return undefined;
  const head = JSON.stringify(members);
  const whole = data === undefined ? head : `${head.slice(0, -1)}${head === '{}' ? '' : ','}"data":${data}}`;
  return issuesOf(JSON.parse(whole)).length === 0 ? whole : undefined;
}

/** JSON text; undefined where it isn't an object, or isn't base64. */
function unpacked(packed: unknown): string | undefined {
  if (typeof packed !== 'string' || !base64.test(packed)) return undefined;
  try {
    const text = fatalUtf8.decode(Buffer.from(packed, 'base64'));
    return text.trim().startsWith('{') && JSON.parse(text) ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}
