import { describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pageWithTable } from '../scripts/settingsTable.ts';

/** Rules of this codebase that a machine can hold. Each test names the files that break one. */
const root = join(import.meta.dirname, '..');
const linesMax = 250;
/** One start of the apps serves every test of a file in tests/: splitting such a file would start them twice. */
const startedLinesMax = 450;

const sources = await read('{apps,lib,db,scripts,load,tests}/**/*.{ts,tsx}');
const texts = [
  ...sources,
  ...(await read('{apps,lib,db,scripts,load,tests,docs,docker}/**/*.{sql,sh,md,yml,yaml,json,conf}')),
];
const isTest = (path: string) => path.startsWith('tests/') || path.endsWith('.test.ts');

describe('tidy', () => {
  test('SQL stands in db/ alone, that of the load harness in load/sql/', () => {
    const sql = [
      /\b(?:sql|tx|client|transaction)(?:<[^`]*>)?`/,
      /['"`]\s*(?:SELECT\s|INSERT INTO\s|UPDATE \w+ SET\s|DELETE FROM\s|(?:CREATE|ALTER|DROP) TABLE\s|COPY \w+ )/,
    ];
    const mayHold = (path: string) => /^(?:db|tests|load\/sql)\//.test(path) || isTest(path);
    expect(
      breaking(sources, ({ path, text }) => !mayHold(path) && sql.some((pattern) => pattern.test(text))),
    ).toEqual([]);
  });

  test(`no file is longer than ${linesMax} lines, in tests/ than ${startedLinesMax}`, () => {
    const max = (path: string) => (path.startsWith('tests/') ? startedLinesMax : linesMax);
    expect(breaking(sources, ({ path, text }) => text.trimEnd().split('\n').length > max(path))).toEqual([]);
  });

  test('no folder or file is named after nothing in particular', () => {
    expect(
      breaking(texts, ({ path }) =>
        /(?:^|\/)(?:utils?|helpers?|common|types|misc|shared)(?:\/|\.ts$)/.test(path),
      ),
    ).toEqual([]);
  });

  test('no path of one machine', () => {
    const machine = /(?<![\w.}/-])\/(?:work|root|Users|home\/(?!bun\b)\w+)\//;
    expect(breaking(texts, ({ path, text }) => path !== 'tests/tidy.test.ts' && machine.test(text))).toEqual(
      [],
    );
  });

  test('settings are read through lib/service/config.ts', () => {
    const reads = (text: string) => /process\.env[.[]|Bun\.env/.test(text);
    expect(
      breaking(sources, ({ path, text }) => /^(?:apps|lib|db)\//.test(path) && !isTest(path) && reads(text)),
    ).toEqual([]);
  });

  test('the table of settings in docs/settings.md is the one of the code (bun scripts/settingsTable.ts writes it)', async () => {
    const { present, wanted } = await pageWithTable();
    expect(present).toBe(wanted);
  });

  test('no app imports another app, and what apps share imports none', () => {
    const appOf = (path: string) => /^apps\/(\w+)\//.exec(path)?.[1];
    const foreign = imports(sources.filter(({ path }) => /^(?:apps|lib|db)\//.test(path) && !isTest(path)))
      .filter(({ from, to }) => appOf(to) !== undefined && appOf(to) !== appOf(from))
      .map(({ from, to }) => `${from} imports ${to}`);
    expect(foreign).toEqual([]);
  });

  test('no files import each other in a circle', () => {
    const arrows = new Map<string, string[]>();
    for (const { from, to } of imports(sources.filter(({ path }) => !isTest(path))))
      arrows.set(from, [...(arrows.get(from) ?? []), to]);
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (path: string, above: string[]) => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' → '));
      if (above.includes(path) || done.has(path)) return;
      for (const next of arrows.get(path) ?? []) walk(next, [...above, path]);
      done.add(path);
    };
    for (const path of arrows.keys()) walk(path, []);
    expect(circles).toEqual([]);
  });

  test('every dependency is pinned to one version', async () => {
    const files = [
      ...(await read('package.json')),
      ...(await read('{apps/*,lib,db,load,tests}/package.json')),
    ];
    const loose = files.flatMap(({ path, text }) => {
      const { dependencies, devDependencies } = JSON.parse(text);
      return Object.entries({ ...dependencies, ...devDependencies })
        .filter(([, version]) => !/^(?:\d+\.\d+\.\d+[\w.-]*|workspace:.*)$/.test(version as string))
        .map(([name, version]) => `${path}: ${name}@${version}`);
    });
    expect(loose).toEqual([]);
  });
});

interface File {
  path: string;
  text: string;
}

async function read(pattern: string): Promise<File[]> {
  const paths = await Array.fromAsync(new Bun.Glob(pattern).scan({ cwd: root }));
  const own = paths.filter((path) => !/node_modules|\/generated\//.test(path)).sort();
  return Promise.all(own.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}

/** Who imports what, as paths from the root; packages are left out. */
function imports(files: File[]): { from: string; to: string }[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/\bfrom '([^']+)'/g)].flatMap(([, target]) => {
      if (target!.startsWith('.')) return [{ from: path, to: join(path, '..', target!) }];
      const own = /^@usage\/(lib|db|load|tests)\/(.*)$/.exec(target!);
      if (own) return [{ from: path, to: `${own[1]}/${own[2]}` }];
      const app = /^@usage\/(\w+)\/(.*)$/.exec(target!);
      return app ? [{ from: path, to: `apps/${app[1]}/${app[2]}` }] : [];
    }),
  );
}

function breaking(files: File[], breaks: (file: File) => boolean): string[] {
  return files.filter(breaks).map((file) => file.path);
}
