import type { Spool } from './spoolPort.ts';

export interface ClientLimits {
  /** Events held in memory; beyond it `track` answers false (or, with a spool, they stay on disk alone). */
  bufferEventsMax: number;
  /** Events a request. */
  batchEventsMax: number;
  /** Characters of JSON a request; a single event may be longer. */
  batchCharsMax: number;
  /** ms an event waits for others to go with it. */
  lingerMs: number;
  requestsInFlightMax: number;
  /** ms the gateway may take to answer. */
  requestMsMax: number;
  /** ms between two attempts at most; they go on until the gateway takes the events. */
  retryMsMax: number;
  /** ms for which reservations, commits and releases are sent again while the gateway is away. */
  retryForMsMax: number;
  /** ms that the end of the process waits for events that are on their way. */
  exitMsMax: number;
  /** Hours for which the gateway surely knows an event again (DEDUPE_WINDOW_HOURS); what is older is looked up before it is sent again. */
  dedupeHours: number;
}

export const defaultLimits: ClientLimits = {
  bufferEventsMax: 100_000,
  batchEventsMax: 500,
  batchCharsMax: 1_000_000,
  lingerMs: 500,
  requestsInFlightMax: 4,
  requestMsMax: 30_000,
  retryMsMax: 10_000,
  retryForMsMax: 10_000,
  exitMsMax: 5_000,
  dedupeHours: 24,
};

/** An event that the gateway refused as it is: sending it again would be refused again. */
export interface RejectedEvent {
  event: unknown;
  reason: string;
}

export interface CloseOutcome {
  /** Events that the gateway has not acknowledged: lost, or in the spool for the next process. */
  unsent: number;
}

export interface ClientOptions {
  /** The gateway, such as https://usage.example.com. */
  url: string;
  /** Scope `ingest` to track, `read` to query. */
  apiKey?: string;
  /** Where the events happen; part of their identity. */
  source: string;
  /** Keeps events on disk until they are acknowledged: see usage-tracking-client/spool. */
  spool?: Spool;
  limits?: Partial<ClientLimits>;
  /** Events that were refused. By default they are written to the console. */
  onRejected?: (events: RejectedEvent[]) => void;
  /** What keeps events from being sent now; they are retried. By default the console has each message once. */
  onError?: (error: Error) => void;
  /** Closes the client when the process is asked to end (SIGINT, SIGTERM), and ends it then. */
  closeOnSignals?: boolean;
  fetch?: typeof fetch;
}

/** Throws a TypeError that names every wrong option. */
export function limitsOf(options: ClientOptions): ClientLimits {
  const issues: string[] = [];
  if (!/^https?:\/\//.test(options.url)) issues.push('url must begin with http:// or https://');
  if (typeof options.source !== 'string' || options.source === '') issues.push('source must not be empty');
  const limits = { ...defaultLimits, ...options.limits };
  for (const name of Object.keys(limits) as (keyof ClientLimits)[]) {
    if (!(name in defaultLimits)) issues.push(`limits.${name} is not known`);
    const isValid = Number.isFinite(limits[name]) && limits[name] >= (name === 'lingerMs' ? 0 : 1);
    if (!isValid) issues.push(`limits.${name} must be a positive number`);
  }
  if (issues.length > 0) throw new TypeError(`UsageClient: ${issues.join('; ')}`);
  return limits;
}
