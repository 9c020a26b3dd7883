import type { Transaction } from './connect.ts';

/** Every further statement of the transaction may take so long; SQLSTATE 57014 ends one that takes longer. */
export async function limitStatement(tx: Transaction, statementMsMax: number): Promise<void> {
  await tx`SELECT set_config('statement_timeout', ${String(statementMsMax)}, true)`;
}
