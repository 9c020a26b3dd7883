import { expect, test } from 'bun:test';
import { tracingChannel } from 'node:diagnostics_channel';
import './tracing.ts';

test('a tracing channel says whether anybody listens', () => {
  const channel = tracingChannel('usage:tracing-test');
  const listener = () => {};
  expect(channel.hasSubscribers).toBe(false);
  channel.asyncEnd.subscribe(listener);
  expect(channel.hasSubscribers).toBe(true);
  channel.asyncEnd.unsubscribe(listener);
  expect(channel.hasSubscribers).toBe(false);
});
