import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** A process whose use of the machine is measured; `tree`: with all its children, as PostgreSQL's backends are. */
export interface Measured {
  name: string;
  pid: number;
  tree?: boolean;
}

export interface Use {
  cpuSeconds: Record<string, number>;
  peakMemoryMb: Record<string, number>;
}

const sampleMs = 250;
/** Linux counts processor time in hundredths of a second everywhere. */
const ticksPerSecond = 100;
const kilobytesPerMb = 1_024;

/** Processor seconds and peak memory between start and stop, from /proc; nothing on machines without it. */
export class UseMeter {
  #cpuBefore = new Map<string, number>();
  #peakMb = new Map<string, number>();
  #sampling: Timer | undefined;

  constructor(readonly processes: readonly Measured[]) {}

  start(): void {
    if (!existsSync('/proc/self/stat')) return;
    for (const process of this.processes) {
      this.#cpuBefore.set(process.name, cpuSeconds(process));
      this.#peakMb.set(process.name, 0);
    }
    this.#sampling = setInterval(() => this.#sample(), sampleMs);
  }

  stop(): Use {
    const use: Use = { cpuSeconds: {}, peakMemoryMb: {} };
    if (!this.#sampling) return use;
    clearInterval(this.#sampling);
    this.#sample();
    for (const process of this.processes) {
      const before = this.#cpuBefore.get(process.name)!;
      use.cpuSeconds[process.name] = round(cpuSeconds(process) - before, 2);
      use.peakMemoryMb[process.name] = round(this.#peakMb.get(process.name)!, 0);
    }
    return use;
  }

  #sample(): void {
    for (const process of this.processes) {
      this.#peakMb.set(process.name, Math.max(this.#peakMb.get(process.name)!, memoryMb(process)));
    }
  }
}

/**
 * Resident memory now. PostgreSQL's shared buffers are in every backend's; they count once: what each process has alone,
 * and the most that one of them has of what is shared.
 */
export function memoryMb(process: Measured): number {
  let ownKb = 0;
  let sharedKb = 0;
  for (const pid of pidsOf(process)) {
    const status = read(`/proc/${pid}/status`);
    if (!process.tree) ownKb += field(status, 'VmRSS');
    else {
      ownKb += field(status, 'RssAnon');
      sharedKb = Math.max(sharedKb, field(status, 'RssShmem') + field(status, 'RssFile'));
    }
  }
  return (ownKb + sharedKb) / kilobytesPerMb;
}

function cpuSeconds(process: Measured): number {
  let ticks = 0;
  for (const pid of pidsOf(process)) {
    const fields = statFields(pid);
    // utime and stime; of a tree's root also those of the children that have ended.
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    if (process.tree && pid === process.pid) ticks += Number(fields[13] ?? 0) + Number(fields[14] ?? 0);
  }
  return ticks / ticksPerSecond;
}

function pidsOf({ pid, tree }: Measured): number[] {
  if (!tree) return [pid];
  const pids = [pid];
  for (const name of readdirSync('/proc')) {
    const candidate = Number(name);
    if (candidate > 0 && Number(statFields(candidate)[1]) === pid) pids.push(candidate);
  }
  return pids;
}

/** What follows the command's name (which may hold anything) in /proc/…/stat: state, ppid, … */
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function field(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
}

/** Empty when the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Of two in the middle the larger one; 0 of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
