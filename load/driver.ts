import { join } from 'node:path';
import type { Workload } from './events.ts';

/** What autocannon is to send: events, or GETs of paths in turn. */
export interface DrivePlan {
  url: string;
  headers?: Record<string, string>;
  connections: number;
  secondsMax: number;
  requestsMax?: number;
  /** Undefined: each connection sends its next request as soon as the one before is answered. */
  requestsPerSecond?: number;
  workload?: Workload;
  paths?: string[];
}

export interface Driven {
  startedMs: number;
  endedMs: number;
  /** Of requests answered with 2xx. */
  eventsAccepted: number;
  /** Answers by status code. */
  statuses: Record<string, number>;
  /** 503s that said when to come again. */
  retryAfters: number;
  connectionErrors: number;
  /** Of requests answered with 2xx. */
  latencyMs: { p50: number; p99: number; p999: number; max: number };
  cpuSeconds: number;
}

export interface DriverTick {
  events: number;
  statuses: Record<string, number>;
}

export type DriverLine = { is: 'ready' } | ({ is: 'tick' } & DriverTick) | ({ is: 'done' } & Driven);

export interface Driver {
  /** Starts the clock; resolves when every request has been answered. */
  go(): Promise<Driven>;
  stop(): void;
}

/** A driver that has made its requests and waits for `go`. */
export async function prepareDriver(
  plan: DrivePlan,
  onTick: (tick: DriverTick) => void = () => {},
): Promise<Driver> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dirname, 'driverProcess.ts'), JSON.stringify(plan)],
    { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' },
  );
  const ready = Promise.withResolvers<void>();
  const done = Promise.withResolvers<Driven>();
  done.promise.catch(() => {});
  void readLines(child.stdout, (line) => {
    if (line.is === 'ready') ready.resolve();
    else if (line.is === 'tick') onTick(line);
    else done.resolve(line);
  });
  void child.exited.then((code) => {
    const fault = new Error(`the load driver ended with ${code} before it was done`);
    ready.reject(fault);
    done.reject(fault);
  });
  await ready.promise;
  return {
    go() {
      child.stdin.write('go\n');
      child.stdin.flush();
      return done.promise;
    },
    stop: () => child.kill(),
  };
}

/** Prepares and goes. */
export async function drive(plan: DrivePlan, onTick?: (tick: DriverTick) => void): Promise<Driven> {
  const driver = await prepareDriver(plan, onTick);
  return driver.go();
}

async function readLines(stream: ReadableStream<Uint8Array>, take: (line: DriverLine) => void) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(JSON.parse(line) as DriverLine);
  }
}
