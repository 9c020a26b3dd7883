export type AppName =
  | 'gateway'
  | 'gateway2'
  | 'processor'
  | 'processor2'
  | 'aggregator'
  | 'aggregator2'
  | 'query'
  | 'limits'
  | 'limits2';

export interface StackOptions {
  redisSettings?: Record<string, string>;
  /** A Redis Cluster of three masters in place of one Redis, and a shard of the stream on each. */
  redisReplicasEach?: number;
  postgresSettings?: Record<string, string | number>;
  /** False: native partitions, where the machine has TimescaleDB as well. */
  timescale?: boolean;
  /** PostgreSQL's data lie on a disk of this size (tmpfs), which can be filled up. */
  postgresDiskMegabytes?: number;
  /** AUTH=keys: the round's load comes with the operator's key, tenants with their own (keyOf). */
  keys?: boolean;
  /** Settings of all apps. */
  settings?: Record<string, string>;
  /** Servers as `npm start` runs them, and no proxies before them: for measuring. */
  asShipped?: boolean;
  /** Every app has a clock of its own, which setClock() sets. */
  clocks?: boolean;
  /** The folder of another build: apps that are made run from there, until `build` is set anew. */
  build?: string;
}
