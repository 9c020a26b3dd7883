import type { ServerState } from './serverState.ts';

export interface SafetyRules {
  /** optional: frames may be lost with the Redis process. */
  persistence: 'required' | 'optional';
  replicasMin: number;
  /** The client follows a cluster's redirections. */
  isClusterClient: boolean;
}

const majorVersionMin = 7;

/**
 * Why frames that this Redis acknowledges would not be safe, or could not be kept at all; undefined where they are.
 * `savePoints` are those of its snapshots, undefined where it does not say.
 */
export function unsafeBecause(
  server: ServerState,
  savePoints: string | undefined,
  rules: SafetyRules,
): string | undefined {
  const { version, role, evictionPolicy, replicas } = server;
  if (Number.parseInt(version, 10) < majorVersionMin)
    return `Redis ${version} is too old: ${majorVersionMin}.0 or later is needed (or Valkey)`;
  if (server.isClusterNode && !rules.isClusterClient)
    return 'this Redis is a node of a cluster: REDIS_URL must begin with redis+cluster://';
  if (role !== 'master')
    return 'this Redis is a replica, which takes no events: REDIS_URL must lead to the primary';
  if (evictionPolicy.startsWith('allkeys-'))
    return (
      `Redis evicts keys that have no TTL (maxmemory-policy ${evictionPolicy}) and would drop accepted events: ` +
      'set maxmemory-policy to noeviction or volatile-lru'
    );
  if (server.isAppendOnlyFileFailing)
    return 'Redis can not write its append-only file (aof_last_write_status:err): is its disk full?';
  if (!server.hasAppendOnlyFile && savePoints === '' && rules.persistence === 'required')
    return (
      'Redis keeps events in memory alone (appendonly no, no save points) and would lose accepted events when it ends: ' +
      'set appendonly yes, or REDIS_PERSISTENCE=optional where they may be lost'
    );
  if (replicas < rules.replicasMin)
    return `Redis has ${replicas} replicas in step, and REDIS_REPLICAS_MIN asks for ${rules.replicasMin}`;
  return undefined;
}

/** What an operator should know of a Redis that is taken all the same. */
export function riskOf(server: ServerState, savePoints: string | undefined): string | undefined {
  if (server.hasAppendOnlyFile) return undefined;
  if (savePoints === undefined)
    return 'Redis has no append-only file: unless it persists in another way, accepted events can be lost when it ends';
  return savePoints === ''
    ? 'Redis keeps events in memory alone (appendonly no, no save points): accepted events are lost when it ends'
    : `Redis has no append-only file (appendonly no): accepted events since its last snapshot (save ${savePoints}) are lost when it ends`;
}
