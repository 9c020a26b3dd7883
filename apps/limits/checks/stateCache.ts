import type { Transaction } from '@usage/db/connection/connect.ts';
import type { Customer } from '@usage/db/limits/customers.ts';
import { type EntitlementState, readEntitlementStates } from '@usage/db/limits/entitlementStates.ts';
import { Problem } from '@usage/lib/http/problem.ts';

export type CustomerState = Pick<Customer, 'id' | 'stateToken'>;

/** Entitlements that one question may be about. */
const statesMax = 100_000;

/**
 * The entitlements of customers in memory, the customer that was asked for least recently out first. What is held of a customer
 * is right for a snapshot in which the customer has the same token: it changes with the customer, its subjects, entitlements,
 * grants and resets. A state object stays the same one while it is right, so that more may be held of it.
 */
export class StateCache {
  readonly #held = new Map<string, { token: string; states: readonly EntitlementState[] }>();
  #size = 0;

  constructor(
    /** Entitlements; one takes 1 to 2 kB. */
    readonly statesMax: number,
  ) {}

  /** By customer, those of them that are not deleted; `customers` as they are in the transaction's snapshot. Problems: 400. */
  async of(
    tx: Transaction,
    namespace: string,
    customers: readonly CustomerState[],
  ): Promise<Map<string, readonly EntitlementState[]>> {
    const found = new Map<string, readonly EntitlementState[]>();
    const missing: CustomerState[] = [];
    for (const customer of customers) {
      const held = this.#held.get(customer.id);
      if (held?.token === customer.stateToken) {
        found.set(customer.id, held.states);
        this.#held.delete(customer.id); // to the end: the last one to go
        this.#held.set(customer.id, held);
      } else missing.push(customer);
    }
    if (missing.length === 0) return found;
    const customerIds = missing.map(({ id }) => id);
    const read = await readEntitlementStates(tx, namespace, { customerIds }, statesMax + 1);
    if (read.length > statesMax) throw tooMany();
    const byCustomer = Map.groupBy(read, ({ entitlement }) => entitlement.customerId);
    for (const { id, stateToken } of missing) {
      const states = byCustomer.get(id) ?? [];
      found.set(id, states);
      this.#hold(id, stateToken, states);
    }
    return found;
  }

  #hold(id: string, token: string, states: readonly EntitlementState[]): void {
    this.#drop(id);
    this.#held.set(id, { token, states });
    this.#size += sizeOf(states);
    for (const oldest of this.#held.keys()) {
      if (this.#size <= this.statesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(id: string): void {
    const held = this.#held.get(id);
    if (!held) return;
    this.#size -= sizeOf(held.states);
    this.#held.delete(id);
  }
}

/** A customer without entitlements takes a place as well. */
function sizeOf(states: readonly EntitlementState[]): number {
  return 1 + states.length;
}

function tooMany(): Problem {
  return new Problem(
    'bad_request',
    `These customers have more than ${statesMax} entitlements: ask for fewer customers at once.`,
  );
}
