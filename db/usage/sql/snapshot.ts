import type { Sql, Transaction } from '../../connection/connect.ts';

/**
 * Runs `read` on one snapshot of the database, with plans made for the very parameters and no JIT. PostgreSQL can't
 * know how many series a query reads and expects few: without enable_sort off it would sort 150,000 rows to group them,
 * on disk (250 ms instead of 50 ms).
 *
 * Every trip to the server costs milliseconds where the processors are busy, so none is waited for that can be spared. BEGIN
 * takes no snapshot, the first statement does: what must be known `before` that is asked for meanwhile. The settings go
 * with the first statement of `read`. And nothing that only read changes by its COMMIT. `before` must not reject.
 * `first` is a statement that is run before the snapshot is taken, on the same connection; its rejection ends the read.
 */
export async function usageSnapshot<T>(
  sql: Sql,
  statementMsMax: number,
  before: Promise<unknown>,
  read: (tx: Transaction) => Promise<T>,
  first?: (tx: Transaction) => Promise<unknown>,
): Promise<T> {
  const answer = Promise.withResolvers<T>();
  const run = async (tx: Transaction) => {
    await before;
    // A transaction of its own, on this very connection: the snapshot that is read is taken after it.
    if (first) await Promise.all([first(tx), tx.unsafe('COMMIT AND CHAIN').simple()]);
    const settings = tx`
      SELECT set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
             set_config('enable_sort', 'off', true), set_config('statement_timeout', ${String(statementMsMax)}, true)`.execute();
    const [, result] = await Promise.all([settings, read(tx)]);
    answer.resolve(result);
  };
  sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', run).catch(answer.reject);
  return answer.promise;
}
