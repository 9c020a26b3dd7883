import { type EventOutcome, outcomeChannel, type PartOutcome } from '@usage/lib/stream/outcome.ts';
import type { Redis } from 'ioredis';
import type { Batch } from './batch.ts';
import type { Stored } from './prepared.ts';

/** Tells the gateways whose requests wait for the commit (`Prefer: wait`) what became of their events. */
export function createOutcomePublisher(redis: Redis, streamName: string) {
  return async (batch: Batch, outcome: Stored): Promise<void> => {
    const waiting = batch.frames.filter((frame) => frame.waiting.length > 0);
    if (waiting.length === 0) return;
    const special = new Map<string, EventOutcome>();
    for (const row of outcome.duplicates)
      special.set(`${row.frame.id}/${row.position}`, { position: row.position, outcome: 'duplicate' });
    for (const { frameId, position, reason } of batch.rejected)
      special.set(`${frameId}/${position}`, { position, outcome: 'dead_letter', reason });
    for (const frame of waiting) {
      for (const { token, fromPosition, toPosition } of frame.waiting) {
        const part: PartOutcome = { token, events: [] };
        for (let position = fromPosition; position < toPosition; position++) {
          const event = special.get(`${frame.id}/${position}`);
          if (event) part.events.push({ ...event, position: position - fromPosition });
        }
        await redis.publish(outcomeChannel(streamName), JSON.stringify(part));
      }
    }
  };
}
