import type { BaseOptions } from '@platformatic/kafka';
import { StartError } from '@usage/lib/service/startError.ts';
import type { KafkaConfig } from './config.ts';

/** ms; a request of the client is tried three times more where a broker is away. */
const requestMsMax = 30_000;
const connectMsMax = 5_000;

/** What every client of the brokers is made with. Throws a StartError where settings contradict each other. */
export async function connectionOf(config: KafkaConfig): Promise<BaseOptions> {
  const { brokers, tls, caFile, saslMechanism, username, password } = config;
  if (saslMechanism !== undefined && (username === undefined || password === undefined))
    throw new StartError('KAFKA_SASL_MECHANISM needs KAFKA_USERNAME and KAFKA_PASSWORD.');
  if (caFile !== undefined && tls === 'off') throw new StartError('KAFKA_CA_FILE needs KAFKA_TLS=on.');
  return {
    clientId: 'usage-tracking',
    bootstrapBrokers: brokersOf(brokers),
    connectTimeout: connectMsMax,
    requestTimeout: requestMsMax,
    ...(tls === 'on' && { tls: await tlsOf(caFile), tlsServerName: true }),
    ...(saslMechanism !== undefined && {
      sasl: { mechanism: saslMechanism, username: username!, password: password! },
    }),
  };
}

function brokersOf(text: string): string[] {
  const brokers = text
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  const wrong = brokers.filter((broker) => !/^(?:\[[\da-f:]+\]|[^\s:/]+):\d{1,5}$/i.test(broker));
  if (brokers.length === 0 || wrong.length > 0)
    throw new StartError(`KAFKA_BROKERS=${text}: expected host:port, separated by commas.`);
  return brokers;
}

async function tlsOf(caFile: string | undefined): Promise<{ ca?: string }> {
  if (caFile === undefined) return {};
  try {
    return { ca: await Bun.file(caFile).text() };
  } catch (error) {
    throw new StartError(`KAFKA_CA_FILE ${caFile}: ${(error as Error).message}`);
  }
}
