import { type EventOutcome, outcomeChannel, type PartOutcome } from '@usage/lib/stream/outcome.ts';
import type { Batch } from './batch.ts';
import type { OutcomeMessage } from './frameConsumer.ts';
import type { Stored } from './prepared.ts';

/** What the gateways whose requests wait for the commit (`Prefer: wait`) are sent about their events. */
export function outcomeMessages(streamName: string) {
  return (batch: Batch, outcome: Stored): OutcomeMessage[] => {
    const waiting = batch.frames.filter((frame) => frame.waiting.length > 0);
    if (waiting.length === 0) return [];
    const special = new Map<string, EventOutcome>();
    for (const row of outcome.duplicates)
      special.set(`${row.frame.ref}/${row.position}`, { position: row.position, outcome: 'duplicate' });
    for (const { frameId, position, reason } of batch.rejected)
      special.set(`${frameId}/${position}`, { position, outcome: 'dead_letter', reason });
    const messages: OutcomeMessage[] = [];
    for (const frame of waiting) {
      for (const { token, fromPosition, toPosition } of frame.waiting) {
        const part: PartOutcome = { token, events: [] };
        for (let position = fromPosition; position < toPosition; position++) {
          const event = special.get(`${frame.ref}/${position}`);
          if (event) part.events.push({ ...event, position: position - fromPosition });
        }
        messages.push({
          shard: frame.shard,
          channel: outcomeChannel(streamName),
          text: JSON.stringify(part),
        });
      }
    }
    return messages;
  };
}
