/**
 * Liveness and readiness. An app is alive as long as it can recover by itself; it is ready when it can take work.
 * A check returns undefined when all is well, else a short reason. Every check has a time limit.
 */
export type Check = () => Promise<string | undefined> | string | undefined;

const checkMsMax = 2_000;

export class Health {
  #live = new Map<string, Check>();
  #ready = new Map<string, Check>();
  #stopping = false;

  live(name: string, check: Check): void {
    this.#live.set(name, check);
  }

  ready(name: string, check: Check): void {
    this.#ready.set(name, check);
  }

  /** From now on not ready: load balancers look elsewhere while the app drains. */
  stopping(): void {
    this.#stopping = true;
  }

  async isLive(): Promise<HealthReport> {
    return report(this.#live);
  }

  async isReady(): Promise<HealthReport> {
    const result = await report(this.#ready);
    if (this.#stopping) result.faults.app = 'stopping';
    return { ok: result.ok && !this.#stopping, faults: result.faults };
  }
}

export interface HealthReport {
  ok: boolean;
  faults: Record<string, string>;
}

async function report(checks: Map<string, Check>): Promise<HealthReport> {
  const faults: Record<string, string> = {};
  await Promise.all(
    [...checks].map(async ([name, check]) => {
      const reason = await within(check);
      if (reason !== undefined) faults[name] = reason;
    }),
  );
  return { ok: Object.keys(faults).length === 0, faults };
}

async function within(check: Check): Promise<string | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${checkMsMax} ms`), checkMsMax);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch (error) {
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
}
