export { UsageClient } from './client.ts';
export type { UsageEvent } from './event.ts';
export type { ClientLimits, ClientOptions, CloseOutcome, RejectedEvent } from './options.ts';
export type {
  MeterQuery,
  MeterUsage,
  UsageRow,
  WindowSize,
} from './query.ts';
export { UsageRequestError } from './request.ts';
export {
  LimitReachedError,
  type Reservation,
  type ReservationRequest,
  type ReservationState,
} from './reservations.ts';
export type { Spool, SpooledBatch } from './spoolPort.ts';
