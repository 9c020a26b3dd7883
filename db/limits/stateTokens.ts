import type { Executor } from '../connection/connect.ts';

/** Whose the subjects are, where they are a customer's. */
export async function ownersOf(
  sql: Executor,
  namespace: string,
  subjects: readonly string[],
): Promise<{ subject: string; id: string; stateToken: string }[]> {
  return sql<{ subject: string; id: string; stateToken: string }[]>`
    SELECT s.subject, c.id, c.state_token AS "stateToken"
    FROM customer_subjects s JOIN customers c ON c.id = s.customer_id
    WHERE s.namespace = ${namespace} AND s.subject = ANY(${[...subjects]}::text[])`;
}

/** Of customers, by id: what is known of them is right while their token is this. */
export async function stateTokens(
  sql: Executor,
  ids: readonly string[],
): Promise<{ id: string; namespace: string; stateToken: string }[]> {
  return sql<{ id: string; namespace: string; stateToken: string }[]>`
    SELECT id, namespace, state_token AS "stateToken" FROM customers WHERE id = ANY(${[...ids]}::text[])`;
}
