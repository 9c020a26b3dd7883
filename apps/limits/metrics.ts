import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type LimitsMetrics = ReturnType<typeof limitsMetrics>;

export function limitsMetrics(registry: Registry) {
  const registers = [registry];
  const attempts = new Counter({
    name: 'usage_webhook_attempts_total',
    help: 'Attempts to deliver an event to a webhook',
    labelNames: ['outcome'],
    registers,
  });
  return {
    duration: new Histogram({
      name: 'usage_limits_check_duration_seconds',
      help: 'Time that a check or a reservation took in the database and in memory',
      labelNames: ['kind'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
    running: new Gauge({
      name: 'usage_limits_checks_running',
      help: 'Checks that run or wait for a connection',
      registers,
    }),
    deltaCache: new Counter({
      name: 'usage_limits_delta_cache_total',
      help: 'Deltas that a check needed, by whether they were in memory',
      labelNames: ['outcome'],
      registers,
    }),
    unreported: new Counter({
      name: 'usage_limits_unreported_commits_total',
      help: 'Committed reservations whose event never came',
      registers,
    }),
    thresholdEvents: new Counter({
      name: 'usage_notification_events_total',
      help: 'Events of thresholds and resets',
      registers,
    }),
    attempts: countedFromZero(attempts, 'outcome', ['success', 'failure']),
    channelsDisabled: new Counter({
      name: 'usage_webhook_channels_disabled_total',
      help: 'Channels that were disabled because every attempt failed',
      registers,
    }),
    deliveriesDue: new Gauge({
      name: 'usage_webhook_deliveries_due',
      help: 'Deliveries whose time has come',
      registers,
    }),
    deliveryOldest: new Gauge({
      name: 'usage_webhook_delivery_oldest_seconds',
      help: 'How long the oldest of them has been due',
      registers,
    }),
    channelsFailing: new Gauge({
      name: 'usage_webhook_channels_failing',
      help: 'Channels, not disabled yet, whose every attempt has failed for an hour or longer',
      registers,
    }),
    thresholdsLooked: new Gauge({
      name: 'usage_thresholds_looked_timestamp_seconds',
      help: 'When thresholds were last looked at with nothing left to look at, by the service that watches',
      registers,
    }),
    rawEvents: new Counter({
      name: 'usage_limits_raw_events_total',
      help: 'Raw events read because rollups could not answer',
      labelNames: ['reason'],
      registers,
    }),
  };
}
