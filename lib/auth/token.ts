import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/**
 * A key is `usage_<prefix>_<secret>`: a prefix of 8 characters that people and logs may see, and 256 random bits as
 * base64url. Only the SHA-256 of the whole is stored and kept in memory. A slow hash (argon2, bcrypt) guards guessable
 * passwords; nobody guesses 256 random bits, so a quick one is as safe, and takes 0.14 µs instead of 50 ms.
 */
export interface NewToken {
  /** Shown once. */
  token: string;
  prefix: string;
  hash: Uint8Array;
}

const keyLead = 'usage_';
const portalLead = 'usage_portal_';
const prefixLength = 8;
const prefixLetters = 'abcdefghijklmnopqrstuvwxyz0123456789';
const secretBytes = 32;
const keyForm = /^usage_[a-z0-9]{8}_[\w-]{43}$/;
const portalForm = /^usage_portal_[\w-]{43}$/;

export function newKeyToken(): NewToken {
  const prefix = Array.from(
    { length: prefixLength },
    () => prefixLetters[randomInt(prefixLetters.length)],
  ).join('');
  const token = `${keyLead}${prefix}_${randomBytes(secretBytes).toString('base64url')}`;
  return { token, prefix, hash: hashToken(token) };
}

export function newPortalToken(): Omit<NewToken, 'prefix'> {
  const token = portalLead + randomBytes(secretBytes).toString('base64url');
  return { token, hash: hashToken(token) };
}

export function isKeyToken(token: string): boolean {
  return keyForm.test(token);
}

/** The prefix, if this is a key. */
export function prefixIn(token: string): string {
  return token.slice(keyLead.length, keyLead.length + prefixLength);
}

export function isPortalToken(token: string): boolean {
  return portalForm.test(token);
}

export function hashToken(token: string): Uint8Array {
  return Bun.SHA256.hash(token, new Uint8Array(32)) as Uint8Array;
}

/** Whether this is the hash of the token; takes a time that doesn't depend on where the two differ. */
export function isHashOf(hash: Uint8Array, token: string): boolean {
  Bun.SHA256.hash(token, hashed);
  return hash.length === hashed.length && timingSafeEqual(hash, hashed);
}

/** Written over by every comparison: a buffer for each takes half as long again. */
const hashed = new Uint8Array(32);
