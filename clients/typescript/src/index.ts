export { UsageClient } from './client.ts';
export type { UsageEvent } from './event.ts';
export type { ClientLimits, ClientOptions, CloseOutcome, RejectedEvent } from './options.ts';
export {
  type MeterQuery,
  type MeterUsage,
  UsageRequestError,
  type UsageRow,
  type WindowSize,
} from './query.ts';
export type { Spool, SpooledBatch } from './spoolPort.ts';
