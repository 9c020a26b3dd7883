/**
 * `bun docker/watch.ts apps/gateway/main.ts` (compose.dev.yaml): runs the app, and starts it again when a source below
 * apps, lib or db changes. It asks for the times of change instead of waiting for the kernel's notices: those don't
 * reach a container from every host, and `bun --watch` loses a file that an editor replaces instead of writing into it.
 */
const pollMs = 500;
/** For the app to end by itself. */
const stopMsMax = 5_000;
const sources = new Bun.Glob('{apps,lib,db}/**/*.{ts,sql,json}');
const [main] = process.argv.slice(2);

let stopping = false;
let child = start();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    stopping = true;
    void stop().then((code) => process.exit(code));
  });
}
for (let seen = stateOfSources(); ; await Bun.sleep(pollMs)) {
  const now = stateOfSources();
  if (now === seen || stopping) continue;
  seen = now;
  log('info', 'sources changed, starting again');
  await stop();
  child = start();
}

/** An app that ends by itself, for a mistake in its source, is started again at the next change. */
function start() {
  return Bun.spawn([process.execPath, main!], {
    stdio: ['ignore', 'inherit', 'inherit'],
    onExit(_, code) {
      if (code !== 0 && !stopping) log('error', `the app ended with ${code}: waiting for a change`);
    },
  });
}

function stop(): Promise<number> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  return child.exited.finally(() => clearTimeout(timer));
}

function stateOfSources(): string {
  const files = [...sources.scanSync({ onlyFiles: true })].sort();
  return Bun.hash(files.map((path) => `${path} ${Bun.file(path).lastModified}`).join('\n')).toString();
}

function log(level: string, msg: string): void {
  console.log(JSON.stringify({ level, time: new Date().toISOString(), service: 'watch', msg }));
}
