import { countedFromZero } from '@usage/lib/service/countedFromZero.ts';
import { Counter, Gauge, type Registry } from 'prom-client';

export type KafkaMetrics = ReturnType<typeof kafkaMetrics>;

export function kafkaMetrics(registry: Registry) {
  const registers = [registry];
  const messages = new Counter({
    name: 'usage_kafka_messages_total',
    help: 'Messages whose offsets were committed: accepted by the gateway, stored already, or kept as dead letters',
    labelNames: ['outcome'],
    registers,
  });
  return {
    messages: countedFromZero(messages, 'outcome', ['accepted', 'stored', 'dead_letter']),
    expired: new Counter({
      name: 'usage_kafka_messages_expired_total',
      help: 'Messages that the retention of their topic removed before they were read',
      registers,
    }),
    waits: new Counter({
      name: 'usage_kafka_waits_total',
      help: 'Pauses because the gateway, the brokers or the topic of dead letters did not take something',
      registers,
    }),
    lag: new Gauge({
      name: 'usage_kafka_lag_messages',
      help: 'Messages of the partitions of this replica that are not committed',
      labelNames: ['topic'],
      registers,
    }),
  };
}
