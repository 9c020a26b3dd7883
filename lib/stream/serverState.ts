/** What one Redis says of itself (INFO), as far as it decides whether frames are safe with it. */
export interface ServerState {
  /** Of the process: another one after each restart. */
  runId: string;
  version: string;
  role: string;
  isClusterNode: boolean;
  usedBytes: number;
  /** maxmemory; 0 = none. */
  limitBytes: number;
  /** maxmemory-policy: what Redis does at limitBytes. */
  evictionPolicy: string;
  evictedKeys: number;
  hasAppendOnlyFile: boolean;
  isAppendOnlyFileFailing: boolean;
  /** Connected replicas that are in step. */
  replicas: number;
}

export function serverStateOf(info: string): ServerState {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const number = (name: string) => Number(field(name)) || 0;
  return {
    runId: field('run_id'),
    version: field('redis_version'),
    role: field('role'),
    isClusterNode: field('cluster_enabled') === '1',
    usedBytes: number('used_memory'),
    limitBytes: number('maxmemory'),
    evictionPolicy: field('maxmemory_policy'),
    evictedKeys: number('evicted_keys'),
    hasAppendOnlyFile: field('aof_enabled') === '1',
    isAppendOnlyFileFailing: field('aof_last_write_status') === 'err',
    replicas: [...info.matchAll(/^slave\d+:.*state=online/gm)].length,
  };
}
