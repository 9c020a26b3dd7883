import { type LoadPlan, NumberedLoad, type Reconciliation } from './numberedLoad.ts';
import type { Stack } from './stack.ts';
import { waitUntil } from './stack.ts';

/** After the end of a load: what was begun is retried for so long. */
const acknowledgedMsMax = 90_000;

/** Everything that was acknowledged so far, over all loads of the stack; what PostgreSQL and the answers must hold. */
export class Ledger {
  events = 0;
  tokens = 0;
  /** API key with which the answers are asked, while AUTH=keys. */
  readKey: string | undefined;
  #runs = 0;

  constructor(readonly stack: Stack) {}

  load(plan: Partial<LoadPlan> & { url: string }): NumberedLoad {
    const run = `run${++this.#runs}-${Date.now()}`;
    return new NumberedLoad({ eventsPerRequest: 20, senders: 4, pauseMs: 20, ...plan, run });
  }

  async close(load: NumberedLoad): Promise<Reconciliation> {
    const reconciliation = await Promise.race([load.stop(), Bun.sleep(acknowledgedMsMax)]);
    if (!reconciliation) {
      const failures = [...load.reconciliation.failures].map(([failure, times]) => `${times}× ${failure}`);
      throw new Error(
        `events are not acknowledged after ${acknowledgedMsMax / 1_000} s: ${failures.join(', ')}`,
      );
    }
    this.events += reconciliation.events;
    this.tokens += reconciliation.tokens;
    return reconciliation;
  }

  /** Waits until answers and rows are what was acknowledged, to the event; throws with both when they stay different. */
  async balance(): Promise<string> {
    let found = { events: -1, tokens: -1, rows: -1, identities: -1 };
    const isBalanced = async () => {
      const [rows, identities] = (
        await this.stack.psql('SELECT count(*), count(DISTINCT (namespace, source, id)) FROM events')
      ).split('|');
      found = {
        events: await this.#answer('events'),
        tokens: await this.#answer('tokens'),
        rows: Number(rows),
        identities: Number(identities),
      };
      const { events, tokens } = this;
      return Bun.deepEquals(found, { events, tokens, rows: events, identities: events });
    };
    try {
      await waitUntil('the reconciliation to balance', 90_000, isBalanced);
    } catch {
      throw new Error(
        `the reconciliation fails: acknowledged ${this.events} events, ${this.tokens} tokens; found ${JSON.stringify(found)}`,
      );
    }
    return `${this.events} events acknowledged = rows = identities = answered; ${this.tokens} tokens`;
  }

  async #answer(meter: string): Promise<number> {
    const headers = this.readKey === undefined ? {} : { Authorization: `Bearer ${this.readKey}` };
    const response = await fetch(`${this.stack.apiUrl}/api/v1/meters/${meter}/query`, { headers });
    const { data } = (await response.json()) as { data: { value: number }[] };
    return data.reduce((sum, { value }) => sum + value, 0);
  }
}
