import { hourMs } from '@usage/lib/windows/units.ts';
import type { DeadLetter } from './deadLetters.ts';
import { eventOf, type KafkaMessage, MessageError, type ReadEvent } from './eventOf.ts';
import type { Gateway } from './gateway.ts';
import type { TopicRule } from './mapping.ts';

/** An event and the message that it was read from. */
type FromMessage = ReadEvent & { message: KafkaMessage };

export interface Delivery {
  accepted: number;
  /** Stored already: their messages had been sent before the window of duplicates. */
  stored: number;
  deadLetters: DeadLetter[];
}

export interface Delivering {
  gateway: Gateway;
  rules: ReadonlyMap<string, TopicRule>;
  /** Ids of topics by their names. */
  topicIds: ReadonlyMap<string, string>;
  dedupeWindowHours: number;
}

/** Clocks of producers differ from ours. */
const marginMs = hourMs;

/**
 * Sends the events of messages. Resolves once the gateway has acknowledged each of them, or the message is a dead letter; throws
 * where neither is sure.
 */
export async function deliver(messages: readonly KafkaMessage[], by: Delivering): Promise<Delivery> {
  const events: FromMessage[] = [];
  const deadLetters: DeadLetter[] = [];
  for (const message of messages) {
    try {
      const event = eventOf(message, by.topicIds.get(message.topic), by.rules.get(message.topic)!);
      events.push({ ...event, message });
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      deadLetters.push({ message, reason: error.message });
    }
  }
  const wanted = await notSentBefore(events, by);
  for (const { index, reason } of await by.gateway.send(wanted))
    deadLetters.push({ message: wanted[index]!.message, reason });
  const stored = events.length - wanted.length;
  return { accepted: messages.length - stored - deadLetters.length, stored, deadLetters };
}

/** The gateway knows an event again for so many hours after it came; a message as old as that may have been sent before. */
async function notSentBefore(events: FromMessage[], by: Delivering): Promise<FromMessage[]> {
  const knownSinceMs = Date.now() - by.dedupeWindowHours * hourMs + marginMs;
  const isOld = ({ message }: FromMessage) => Number(message.timestamp) < knownSinceMs;
  const old = events.filter(isOld);
  if (old.length === 0) return events;
  const missing = new Set(await by.gateway.notStored(old));
  return events.filter((event) => !isOld(event) || missing.has(event));
}
