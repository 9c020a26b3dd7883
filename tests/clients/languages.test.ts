import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningApps, startApps } from '../support/apps.ts';

/**
 * CloudEvents' clients of other languages, against the real processes. A language that is not on this machine, or whose
 * client can't be had from its registry, is skipped, and the test's output says so.
 */
const startMsMax = 60_000;
const testMsMax = 180_000;
/** A registry that doesn't answer: skipped. */
const buildMsMax = 80_000;
let apps: RunningApps;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usage-clients-'));
  apps = await startApps();
}, startMsMax);
afterAll(async () => {
  await apps?.stop();
  await rm(folder, { recursive: true, force: true });
}, startMsMax);

interface Language {
  name: 'go' | 'python' | 'java';
  program: string;
  /** Makes the client available; undefined where that is not possible. */
  prepare(): Promise<string[] | undefined>;
}

const languages: Language[] = [
  {
    name: 'go',
    program: 'go',
    async prepare() {
      const own = join(folder, 'go');
      await cp(join(import.meta.dirname, 'go'), own, { recursive: true });
      const binary = join(folder, 'send');
      const built = await run(['go', 'build', '-mod=mod', '-o', binary, '.'], own);
      return built ? [binary] : undefined;
    },
  },
  {
    name: 'python',
    program: 'python3',
    async prepare() {
      const packages = join(folder, 'python');
      const install = [
        'python3',
        '-m',
        'pip',
        'install',
        '--quiet',
        '--target',
        packages,
        'cloudevents==1.12.0',
      ];
      if (!(await run(install, folder))) return undefined;
      return ['env', `PYTHONPATH=${packages}`, 'python3', join(import.meta.dirname, 'python', 'send.py')];
    },
  },
  {
    name: 'java',
    program: 'mvn',
    async prepare() {
      const jars = join(folder, 'jars');
      const java = join(import.meta.dirname, 'java');
      const pom = join(java, 'pom.xml');
      const install = ['mvn', '-q', '-B', '-f', pom, 'dependency:copy-dependencies'];
      if (!(await run([...install, `-DoutputDirectory=${jars}`], folder))) return undefined;
      return ['java', '-Dfile.encoding=UTF-8', '-cp', join(jars, '*'), join(java, 'Send.java')];
    },
  },
];

async function run(command: string[], cwd: string): Promise<string | undefined> {
  const child = Bun.spawn(command, { cwd, stdout: 'pipe', stderr: 'pipe', timeout: buildMsMax });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) === 0) return `ended well: ${output}`;
  console.log(`${command.slice(0, 3).join(' ')}: ${errors.slice(0, 2_000)}`);
  return undefined;
}

for (const { name, program, prepare } of languages) {
  test.skipIf(!Bun.which(program))(
    `${name}: events that its client sends, in both modes, are stored as they were`,
    async () => {
      const command = await prepare();
      if (!command) {
        console.log(`skipped: CloudEvents' client for ${name} can't be had here`);
        return;
      }
      expect(await run([...command, `${apps.url}/api/v1/events`], folder)).toStartWith('ended well');
      for (const mode of ['binary', 'structured']) {
        expect(await stored(`${name}-${mode}`)).toMatchObject([
          {
            event: {
              source: `/clients/${name}`,
              type: `${name}.${mode}`,
              subject: subjectOf(name, mode),
              time: '2026-03-01T10:00:00.123Z',
              data: { tokens: 1432.5, model: 'größer' },
            },
          },
        ]);
      }
    },
    testMsMax,
  );
}

/** JDK's HttpClient writes `?` for every letter of a header that is not ASCII, and the SDK for Java leaves them as they are. */
function subjectOf(name: string, mode: string): string {
  return name === 'java' && mode === 'binary' ? 'Mueller 100%' : 'Müller 100%';
}

/** The event once it is stored. */
async function stored(id: string): Promise<unknown[]> {
  for (let look = 0; look < 200; look++) {
    const response = await fetch(`${apps.url}/api/v1/events?id=${id}&from=2026-01-01T00:00:00Z`);
    const events = (await response.json()) as unknown[];
    if (events.length > 0) return events;
    await Bun.sleep(50);
  }
  return [];
}
