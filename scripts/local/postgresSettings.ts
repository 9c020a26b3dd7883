import { availableParallelism, totalmem } from 'node:os';

const megabyte = 1024 * 1024;

export interface PostgresSettingsOptions {
  port: number;
  timescale: boolean;
  /** WAL compression that this build of PostgreSQL knows. */
  walCompression: 'lz4' | 'off';
  /** Survives a power cut. Off for throw-away test databases only: kill -9 loses nothing without it either. */
  durable: boolean;
}

/** postgresql.conf for bulk ingest on a small machine that the apps share. Reasons beside each. */
export function postgresSettings(options: PostgresSettingsOptions): Record<string, string | number> {
  const memoryMb = totalmem() / megabyte;
  const processors = availableParallelism();
  return {
    // Only this machine, over TCP: no socket files whose path may be too long.
    listen_addresses: '127.0.0.1',
    port: options.port,
    unix_socket_directories: '',
    max_connections: 100,

    // A quarter of the memory, 2 GB at most: the unique index of the open partition should fit, and the rest serves
    // better as the kernel's cache on a machine that runs the apps as well.
    shared_buffers: `${Math.round(Math.min(memoryMb / 4, 2_048))}MB`,
    effective_cache_size: `${Math.round(memoryMb / 2)}MB`,
    work_mem: '16MB',
    maintenance_work_mem: `${Math.round(Math.min(memoryMb / 16, 512))}MB`,

    // An answered event was promised: a commit is on disk before it returns.
    fsync: options.durable ? 'on' : 'off',
    synchronous_commit: 'on',
    // The first change of a page after a checkpoint writes the whole page into the WAL. Rare checkpoints make few of
    // those: 15 minutes or 4 GB, spread out so that they don't stall a COPY.
    checkpoint_timeout: '15min',
    max_wal_size: options.durable ? '4GB' : '1GB',
    min_wal_size: options.durable ? '512MB' : '80MB',
    checkpoint_completion_target: 0.9,
    // Those whole pages shrink by half and more with lz4; pglz costs more processor than it saves disk.
    wal_compression: options.walCompression,
    // COPY fills 16 MB of WAL buffer between two commits of a batch.
    wal_buffers: '32MB',
    // One server, no replicas: bulk loads of new tables and index builds may skip the WAL.
    wal_level: 'minimal',
    max_wal_senders: 0,

    // SSDs: a random page costs hardly more than the next one.
    random_page_cost: 1.1,
    effective_io_concurrency: 64,
    // Queries take milliseconds; compiling them takes longer than running them.
    jit: 'off',
    max_parallel_workers: processors,
    max_parallel_workers_per_gather: Math.max(1, Math.floor(processors / 2)),
    max_worker_processes: 16,

    // Deltas are inserted and deleted all the time: look often, so that the table stays small.
    autovacuum_naptime: '15s',
    autovacuum_vacuum_cost_limit: 1_000,

    // A query over many partitions locks each of them and their indexes.
    max_locks_per_transaction: 256,

    ...(options.timescale
      ? {
          shared_preload_libraries: 'timescaledb',
          'timescaledb.telemetry_level': 'off',
          'timescaledb.max_background_workers': 4,
        }
      : {}),

    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_lock_waits: 'on',
    log_line_prefix: '%m [%p] %a ',
  };
}

export function settingsFile(settings: Record<string, string | number>): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`);
  return `# Written at every start from scripts/local/postgresSettings.ts\n${lines.join('\n')}\n`;
}
