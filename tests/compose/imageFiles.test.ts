import { expect, test } from 'bun:test';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What docker/Dockerfile copies into its images, held against what they need, without a Docker engine. */
const root = join(import.meta.dirname, '../..');
const buildMsMax = 60_000;
const dockerfile = await readFile(join(root, 'docker/Dockerfile'), 'utf8');

test('every image has the files that its command imports', async () => {
  const stages = stagesOf(dockerfile);
  const lacking: string[] = [];
  const images = [...stages].filter(([, { command }]) => command !== undefined);
  expect(images.length).toBeGreaterThan(5);
  for (const [name, { command }] of images) {
    const copied = copiedInto(stages, name);
    for (const path of await importedBy(command!))
      if (!copied.some((one) => path === one || path.startsWith(`${one}/`))) lacking.push(`${name}: ${path}`);
  }
  expect(lacking).toEqual([]);
});

interface Stage {
  from: string;
  /** Paths of this repository. */
  copied: string[];
  /** The script that its CMD or ENTRYPOINT runs. */
  command: string | undefined;
}

function stagesOf(text: string): Map<string, Stage> {
  const stages = new Map<string, Stage>();
  for (const part of text.split(/^FROM /m).slice(1)) {
    const [, from, name] = /^(\S+) AS (\S+)/.exec(part)!;
    const copied = [...part.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) =>
      paths!.split(' '),
    );
    const command = /^(?:CMD|ENTRYPOINT) \["bun", "([^"]+)"/m.exec(part)?.[1];
    stages.set(name!, { from: from!, copied, command });
  }
  return stages;
}

/** With what the stages below it have. */
function copiedInto(stages: Map<string, Stage>, name: string): string[] {
  const stage = stages.get(name);
  return stage ? [...stage.copied, ...copiedInto(stages, stage.from)] : [];
}

/** The script and all files of this repository that it imports, and so on. */
async function importedBy(script: string): Promise<Set<string>> {
  const found = new Set<string>();
  const transpiler = new Bun.Transpiler({ loader: 'ts' });
  const visit = async (path: string): Promise<void> => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: target } of transpiler.scanImports(await readFile(join(root, path), 'utf8'))) {
      const own = /^@usage\/(\w+)\/(.+)$/.exec(target);
      if (target.startsWith('.')) await visit(join(dirname(path), target));
      else if (own)
        await visit(['lib', 'db'].includes(own[1]!) ? `${own[1]}/${own[2]}` : `apps/${own[1]}/${own[2]}`);
    }
  };
  await visit(script);
  return found;
}

test(
  'the console’s pages are built from the files that their stage copies, and no others',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'usage-image-'));
    try {
      const [, stage] = /^FROM dependencies AS console\n([\s\S]*?)\n\n/m.exec(dockerfile)!;
      const copied = [...stage!.matchAll(/^COPY (\S+) (\S+)$/gm)];
      expect(copied.length).toBeGreaterThan(1);
      for (const [, from, to] of copied) await copyInto(folder, from!, to!);
      await linkPackages(folder);
      const [, script] = /^RUN bun (\S+)$/m.exec(stage!)!;
      const build = Bun.spawn([process.execPath, script!], { cwd: folder, stderr: 'pipe' });
      const errors = await new Response(build.stderr).text();
      expect([await build.exited, errors]).toEqual([0, '']);
      expect(await readdir(join(folder, 'apps/console/dist'))).toContain('index.html');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  buildMsMax,
);

/** As COPY does, without what .dockerignore leaves out. */
async function copyInto(folder: string, from: string, to: string): Promise<void> {
  const target = to.endsWith('/') ? join(folder, to, from.split('/').at(-1)!) : join(folder, to);
  await mkdir(dirname(target), { recursive: true });
  const filter = (path: string) => !/node_modules|\.test\.ts$|console\/dist/.test(path);
  await cp(join(root, from), target, { recursive: true, filter });
}

/** The packages of this installation; those of the workspace are the copied ones. */
async function linkPackages(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '@usage'), { recursive: true });
  for (const name of await readdir(join(root, 'node_modules')))
    if (name !== '@usage') await symlink(join(root, 'node_modules', name), join(modules, name));
  for (const name of ['lib', 'db']) {
    await symlink(join(folder, name), join(modules, '@usage', name));
    await mkdir(join(folder, name), { recursive: true });
    await cp(join(root, name, 'package.json'), join(folder, name, 'package.json'));
  }
}
