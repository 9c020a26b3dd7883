import { StartError } from '@usage/lib/service/startError.ts';
import type { Executor } from './connect.ts';

/** What a crash or a fail-over of PostgreSQL can take back of what it has committed. */
export interface Durability {
  /** Physical standbys that stream from this server; 0 as well where this user may not see them. */
  standbys: number;
  /** Whether a commit waits for a standby: synchronous_standby_names is set. */
  waits: boolean;
  /** synchronous_commit: on, remote_apply, remote_write, local or off. */
  commit: string;
}

/** Archivers (pg_receivewal, Barman) and backups stream as standbys do, and never take over. */
export async function durability(sql: Executor): Promise<Durability> {
  const [row] = await sql<[Durability]>`
    SELECT (SELECT count(*)::int FROM pg_stat_replication r
            WHERE r.state IN ('streaming', 'catchup') AND r.application_name !~ '(receive_?wal|basebackup)'
              AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')) AS standbys,
           current_setting('synchronous_standby_names') <> '' AS waits,
           current_setting('synchronous_commit') AS commit`;
  return row;
}

/** In one sentence, what would be lost and what to do; undefined where nothing is. */
export function lossOf({ standbys, waits, commit }: Durability): string | undefined {
  const otherwise =
    'or set ASYNC_REPLICATION=allow where losing that is acceptable, or no standby ever takes over';
  if (commit === 'off')
    return `PostgreSQL answers a commit before it is on its disk (synchronous_commit = off): a crash loses events that are gone from Redis; set it to on, ${otherwise}.`;
  if (standbys > 0 && !waits)
    return `PostgreSQL has ${standbys} standby(s) and waits for none (synchronous_standby_names is empty): a fail-over loses events that are gone from Redis; set it to 'ANY 1 (*)' (Patroni: synchronous_mode: quorum), ${otherwise}.`;
  if (commit === 'local' && waits)
    return `PostgreSQL has synchronous standbys and waits for none of them (synchronous_commit = local): a fail-over loses events that are gone from Redis; set it to on, ${otherwise}.`;
  return undefined;
}

/** Throws a StartError where a committed event could be lost together with a server. */
export async function refuseLoss(sql: Executor): Promise<void> {
  const loss = lossOf(await durability(sql));
  if (loss) throw new StartError(loss);
}
