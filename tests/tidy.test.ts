import { describe, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readmeWithTable } from '../scripts/settingsTable.ts';

/** Rules of this codebase that a machine can hold. Each test names the files that break one. */
const root = join(import.meta.dirname, '..');
const linesMax = 300;

const sources = await read('{apps,lib,db,scripts,load,tests}/**/*.ts');
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

  test(`no file is longer than ${linesMax} lines`, () => {
    expect(
      breaking(sources, ({ path, text }) => !isTest(path) && text.trimEnd().split('\n').length > linesMax),
    ).toEqual([]);
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

  test('the table of settings in README.md is the one of the code (bun scripts/settingsTable.ts writes it)', async () => {
    const { present, wanted } = await readmeWithTable();
    expect(present).toBe(wanted);
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
  const own = paths.filter((path) => !path.includes('node_modules')).sort();
  return Promise.all(own.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}

function breaking(files: File[], breaks: (file: File) => boolean): string[] {
  return files.filter(breaks).map((file) => file.path);
}
