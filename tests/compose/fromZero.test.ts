import { expect, test } from 'bun:test';
import { kafkaMetrics } from '@usage/kafka/metrics.ts';
import { Registry } from 'prom-client';
import { freePort } from '../../scripts/local/ports.ts';
import { startApps } from '../support/apps.ts';
import { namesAndLabels, scrape } from './exposedMetrics.ts';
import { alerts, panelQueries } from './panels.ts';

test('every counter that an alert or a panel reads is there from the start, before anything has happened', async () => {
  const [processor, aggregator] = await Promise.all([freePort(), freePort()]);
  const apps = await startApps({ PROCESSOR_PORT: `${processor}`, AGGREGATOR_PORT: `${aggregator}` });
  const ports = [`http://127.0.0.1:${processor}`, `http://127.0.0.1:${aggregator}`];
  const exposed = await scrape([apps.url, apps.queryUrl, apps.limitsUrl, ...ports]);
  // Without a broker the Kafka source does not run: what it registers at its start.
  const registry = new Registry();
  kafkaMetrics(registry);
  namesAndLabels(await registry.metrics(), exposed);
  await apps.stop();
  const read = [...(await alerts()), ...(await panelQueries('prometheus'))];
  const counters = new Set(read.flatMap(({ text }) => text.match(/\busage_\w+_total\b/g) ?? []));
  expect(counters.size).toBeGreaterThan(10);
  expect([...counters].filter((name) => !exposed.has(name))).toEqual([]);
}, 60_000);
