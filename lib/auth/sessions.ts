import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Problem } from '../http/problem.ts';
import type { Logger } from '../service/log.ts';

/**
 * Sessions of browsers. Signing in gives a cookie that holds the API key, sealed (AES-256-GCM) with a secret that all
 * apps share: no script can read it, and what is stolen with a cookie ends with the session. The key decides what a session
 * may do, so revoking it ends its sessions on every app.
 */
export interface SessionSource {
  sessionSecret(): Promise<string>;
}

export const sessionCookie = 'usage_session';
export const sessionSecondsMax = 12 * 60 * 60;
/** Pages of other sites can't send it: a browser asks first (CORS preflight), and is never allowed. */
export const sessionHeader = 'x-usage-console';

const retryMs = 1_000;
const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
const sealedCharsMax = 2_048;

export class Sessions {
  readonly #source: SessionSource;
  readonly #log: Logger;
  #key: Buffer | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(source: SessionSource, log: Logger) {
    this.#source = source;
    this.#log = log;
  }

  /** Loads the secret, and tries again every second while PostgreSQL is away. Never throws. */
  async start(): Promise<void> {
    try {
      const secret = await this.#source.sessionSecret();
      this.#key = createHash('sha256').update(secret).digest();
    } catch (error) {
      this.#log.warn({ err: error }, 'sessions wait for the database: sign-in is not possible yet');
      if (!this.#stopped) this.#timer = setTimeout(() => void this.start(), retryMs);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The Set-Cookie of a session with this API key. Problems: 503 while the secret is not loaded. */
  begin(request: Request, apiKey: string, nowMs = Date.now()): string {
    const value = this.#seal(`${nowMs + sessionSecondsMax * 1_000} ${apiKey}`);
    return cookieOf(request, value, sessionSecondsMax);
  }

  /** The Set-Cookie that ends a session in this browser. */
  end(request: Request): string {
    return cookieOf(request, '', 0);
  }

  /**
   * The API key in the request's cookie; undefined where it has none, or an old one, or one that was not sealed here.
   * Problems: 403 for a request that a page of another site may have caused.
   */
  apiKeyOf(request: Request, nowMs = Date.now()): string | undefined {
    const sealed = cookieValue(request.headers.get('cookie'));
    if (sealed === undefined) return undefined;
    refuseOtherSites(request);
    const text = this.#open(sealed);
    const space = text?.indexOf(' ') ?? -1;
    if (text === undefined || Number(text.slice(0, space)) <= nowMs) return undefined;
    return text.slice(space + 1);
  }

  #seal(text: string): string {
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.#loadedKey(), nonce);
    const body = Buffer.concat([sealing.update(text, 'utf8'), sealing.final()]);
    return Buffer.concat([nonce, sealing.getAuthTag(), body]).toString('base64url');
  }

  #open(sealed: string): string | undefined {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length <= nonceBytes + tagBytes) return undefined;
    const opening = createDecipheriv(cipher, this.#loadedKey(), bytes.subarray(0, nonceBytes));
    opening.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    try {
      return opening.update(bytes.subarray(nonceBytes + tagBytes), undefined, 'utf8') + opening.final('utf8');
    } catch {
      return undefined;
    }
  }

  #loadedKey(): Buffer {
    if (this.#key) return this.#key;
    throw new Problem('unavailable', 'Sessions cannot be checked yet: the database has not been reached.', {
      headers: { 'Retry-After': '1' },
    });
  }
}

function cookieValue(header: string | null): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const [name, value] = part.trim().split('=', 2);
    if (name === sessionCookie && value && value.length <= sealedCharsMax) return value;
  }
  return undefined;
}

function cookieOf(request: Request, value: string, maxAgeSeconds: number): string {
  const secure = isHttps(request) ? '; Secure' : '';
  return `${sessionCookie}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure}`;
}

function isHttps(request: Request): boolean {
  return request.url.startsWith('https:') || request.headers.get('x-forwarded-proto') === 'https';
}

/**
 * SameSite=Strict keeps the cookie away from other sites' requests; this holds where a browser does not know it, and for
 * other ports of the same host, which are the same site to it. What changes something needs a header that only our own
 * pages can send.
 */
function refuseOtherSites(request: Request): void {
  const site = request.headers.get('sec-fetch-site');
  const origin = request.headers.get('origin');
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const isOwnSite = site === null || site === 'same-origin' || (site === 'none' && isRead);
  const isOwnOrigin = origin === null || hostOf(origin) === request.headers.get('host');
  if (isOwnSite && isOwnOrigin && (isRead || request.headers.has(sessionHeader))) return;
  throw new Problem(
    'forbidden',
    `A session answers to the console's own pages only: requests that change something carry ${sessionHeader}.`,
  );
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}
