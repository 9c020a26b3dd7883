import { join } from 'node:path';

export interface RouteProcess {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** A server of this folder as a process of its own; its first line of output tells the port. */
export async function startRoute(
  file: 'bareRoute.ts' | 'insertRoute.ts',
  ...args: string[]
): Promise<RouteProcess> {
  const child = Bun.spawn([process.execPath, join(import.meta.dirname, file), ...args], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (!value) throw new Error(`${file} ended with ${await child.exited} before it listened`);
  const { port } = JSON.parse(new TextDecoder().decode(value)) as { port: number };
  return {
    url: `http://127.0.0.1:${port}/api/v1/events`,
    pid: child.pid,
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}
