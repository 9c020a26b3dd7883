export const scopes = ['ingest', 'read', 'admin'] as const;
/** ingest sends events; read asks for usage, events, meters and subjects; admin changes meters, subjects and keys. */
export type Scope = (typeof scopes)[number];

/** Sustained rates and bursts; undefined = no limit. */
export interface KeyLimits {
  eventsPerSecond: number | undefined;
  eventsBurst: number | undefined;
  requestsPerSecond: number | undefined;
  requestsBurst: number | undefined;
}

export const noLimits: KeyLimits = Object.freeze({
  eventsPerSecond: undefined,
  eventsBurst: undefined,
  requestsPerSecond: undefined,
  requestsBurst: undefined,
});

/** A key as it may be shown: never its secret. */
export interface ApiKey {
  /** ULID. */
  id: string;
  namespace: string;
  /** For people. */
  name: string;
  /** Unique; the beginning of the key, shown to people. */
  prefix: string;
  scopes: readonly Scope[];
  limits: KeyLimits;
}

export interface ActiveKey extends ApiKey {
  /** SHA-256 of the whole key. */
  secretHash: Uint8Array;
}

export const defaultNamespace = 'default';
/** Fits a metric label, a Redis key and a URL as it is. */
export const namespacePattern = '^[a-z0-9][a-z0-9_-]{0,62}$';
