/** What a client asks beyond OpenMeter's API, by the header Prefer (RFC 7240). */
export interface Preferences {
  /** `handling=lenient`: bad events are left out and the good ones kept; else all or nothing. */
  lenient: boolean;
  /** `return=representation`: an outcome for every event. */
  representation: boolean;
  /** `wait=<seconds>`: answer once the events are committed. undefined = as soon as they are kept. */
  waitSeconds: number | undefined;
}

const waitSecondsMax = 30;

const none: Preferences = Object.freeze({ lenient: false, representation: false, waitSeconds: undefined });

/** Preferences that are not known or make no sense are passed over, as the RFC says; of two the first counts. */
export function preferencesOf(headers: Headers): Preferences {
  const prefer = headers.get('prefer');
  if (prefer === null) return none;
  const given = new Map<string, string>();
  for (const part of prefer.split(',')) {
    const [, name, quoted, plain] = preference.exec(part) ?? [];
    const key = name?.toLowerCase();
    if (key !== undefined && !given.has(key)) given.set(key, quoted ?? plain ?? '');
  }
  const wait = given.get('wait') ?? '';
  return {
    lenient: given.get('handling') === 'lenient',
    representation: given.get('return') === 'representation',
    waitSeconds: /^\d{1,6}$/.test(wait) ? Math.min(Number(wait), waitSecondsMax) : undefined,
  };
}

/** Name, value (quoted or not), then parameters, of which none is known here. */
const preference = /^\s*([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s;"]*)))?\s*(?:;.*)?$/;

/** The header Preference-Applied; empty where nothing was asked that was done. */
export function preferenceApplied(preferences: Preferences): Record<string, string> {
  const { lenient, representation, waitSeconds } = preferences;
  const applied = [
    ...(lenient ? ['handling=lenient'] : []),
    ...(representation ? ['return=representation'] : []),
    ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`]),
  ];
  return applied.length === 0 ? {} : { 'Preference-Applied': applied.join(', ') };
}
