/** What a migration needs of a connection: text in, the rows of its last statement out. */
export interface MigrationClient {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[]; rowCount: number }>;
}

export interface PeriodDaysOutcome {
  /** In force from now on. */
  periodDays: number;
  /** False where another value was asked for, but events are cut by the present one already. */
  asAsked: boolean;
}

/**
 * Sets how many days of arrivals a partition holds, as long as no period has been opened: partitions that exist can't
 * be cut anew. One transaction; whoever opens a period waits for it.
 */
export async function applyPeriodDays(client: MigrationClient, days: number): Promise<PeriodDaysOutcome> {
  await client.query('BEGIN');
  try {
    await client.query('LOCK TABLE periods IN EXCLUSIVE MODE');
    await client.query(
      `UPDATE storage_settings SET period_days = $1
       WHERE period_days <> $1 AND NOT EXISTS (SELECT FROM periods) RETURNING period_days`,
      [days],
    );
    const settings = await client.query('SELECT period_days FROM storage_settings');
    await client.query('COMMIT');
    const periodDays = Number(settings.rows[0]?.period_days);
    return { periodDays, asAsked: periodDays === days };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/**
 * Sets over how many streams of Redis the frames are spread, and since when; nothing happens where it is so already. Those
 * beyond a lower number are read on: frames may be left in them.
 */
export async function applyStreamShards(client: MigrationClient, shards: number): Promise<void> {
  await client.query(
    `UPDATE storage_settings
     SET stream_shards_before = greatest(stream_shards, stream_shards_before), stream_shards = $1,
         stream_shards_at = clock_timestamp()
     WHERE stream_shards <> $1`,
    [shards],
  );
}
