import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Dashboard } from './dashboardTypes.ts';
import { root, run } from './stack.ts';

/** What Grafana would only show by an empty panel: it is not at hand in tests, and forgives whatever it doesn't know. */
const grafana = join(root, 'docker/grafana');
const names = (await readdir(join(grafana, 'dashboards'))).filter((name) => name.endsWith('.json'));
const dashboards = await Promise.all(
  names.map(async (name) => ({ name, ...(JSON.parse(await text(`dashboards/${name}`)) as Dashboard) })),
);
const { datasources } = parse(await text('provisioning/datasources/datasources.yml')) as {
  datasources: Datasource[];
};
const compose = parse(await readFile(join(root, 'compose.yaml'), 'utf8')) as {
  services: Record<string, Service>;
};

interface Datasource {
  uid: string;
  type: string;
  url: string;
  user?: string;
  jsonData?: Record<string, unknown>;
  secureJsonData?: Record<string, string>;
}
interface Service {
  volumes?: string[];
  environment?: Record<string, string>;
}
const width = 24;
/** Set by Grafana itself. */
const builtIn = ['__interval', '__rate_interval', '__timeFilter', '__timeFrom', '__timeTo', '__timeGroup'];

describe("by Grafana's own types", () => {
  const folder = join(root, 'node_modules/.cache/dashboard-types');
  beforeAll(() => mkdir(folder, { recursive: true }));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('every dashboard, panel and target has what it must have, and nothing that Grafana does not know', async () => {
    expect(await typeFaults('whole', dashboards)).toBe('');
  });

  test('a mistyped option, an unknown panel and a value that Grafana lacks are found', async () => {
    const [first] = dashboards.filter(({ panels }) => panels.some(({ type }) => type === 'timeseries'));
    const broken = structuredClone(first!);
    const panels = broken.panels.filter(({ type }) => type === 'timeseries') as {
      options: unknown;
      type: string;
    }[];
    panels[0]!.options = { legend: { displayMod: 'list' } };
    panels[1]!.options = { tooltip: { mode: 'several' } };
    panels[2]!.type = 'graph';
    const faults = await typeFaults('broken', [broken]);
    for (const word of ['displayMod', 'several', 'graph']) expect(faults).toContain(`"${word}"`);
  });

  async function typeFaults(name: string, all: (Dashboard & { name: string })[]): Promise<string> {
    const file = join(folder, `${name}.ts`);
    const literals = all.map(({ name: _, ...dashboard }) => JSON.stringify(dashboard, undefined, 1));
    const types = join(root, 'tests/compose/dashboardTypes.ts');
    await writeFile(
      file,
      `import type { Dashboard } from ${JSON.stringify(types)};\nexport const all: Dashboard[] = [${literals.join(',\n')}];\n`,
    );
    const flags = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--allowImportingTsExtensions',
      '--types',
      '',
    ];
    const modules = ['--module', 'preserve', '--moduleResolution', 'bundler', '--target', 'esnext'];
    const { stdout } = await run(['bunx', 'tsc', ...flags, ...modules, file]);
    return stdout;
  }
});

describe.each(dashboards)('$name', ({ name, uid, panels, templating, links }) => {
  const shown = panels.filter((panel) => panel.type !== 'row');

  test('panels have ids of their own and lie beside each other', () => {
    const ids = panels.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    const cells = new Map<string, number>();
    for (const { id, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(width);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(`panel ${cells.get(`${x},${y}`) ?? id}`).toBe(`panel ${id}`);
          cells.set(`${x},${y}`, id);
        }
    }
  });

  test('every target asks the datasource of its panel, which is provisioned', () => {
    for (const { title, datasource, targets } of shown) {
      expect(targets.map(({ refId }) => refId)).toEqual([...new Set(targets.map(({ refId }) => refId))]);
      expect(datasources.map(({ uid: at, type }) => `${at} ${type}`)).toContain(
        `${datasource?.uid} ${datasource?.type}`,
      );
      for (const target of targets)
        expect({ title, ...target.datasource }).toEqual({ title, ...datasource } as never);
    }
    for (const { type, datasource } of templating.list)
      if (type === 'query') expect(datasources.map(({ uid: at }) => at)).toContain(datasource!.uid!);
  });

  test('every variable that is named is there, and every one that is there is named', () => {
    const named = new Set<string>();
    const texts = JSON.stringify([panels, templating.list.map(({ query }) => query)]);
    for (const [, variable] of texts.matchAll(/\$\{?(\w+)/g)) named.add(variable!);
    const own = [...named].filter((variable) => !builtIn.includes(variable) && !/^\d/.test(variable));
    expect(own.sort()).toEqual(templating.list.map((variable) => variable.name).sort());
  });

  test('a variable that may be several is matched as a pattern', () => {
    for (const { name: variable } of templating.list.filter(({ multi }) => multi))
      for (const [at] of JSON.stringify(panels).matchAll(new RegExp(`.{3}\\\\"\\$${variable}\\b`, 'g')))
        expect(at).toContain('=~');
  });

  test('links lead to dashboards that are there', () => {
    expect(`${uid}.json`).toBe(name);
    for (const { tags } of links ?? [])
      expect(dashboards.filter((other) => tags.every((tag) => other.tags?.includes(tag))).length).toBe(
        names.length,
      );
  });
});

test('datasources reach the services, the database and the user that compose.yaml starts', async () => {
  const postgres = compose.services.postgres!;
  const init = await readFile(join(root, 'docker/init-timescale.sql'), 'utf8');
  const [, own] = [...new Map(datasources.map((source) => [source.uid, source])).values()];
  const reached = datasources.map(({ uid, url }) => [uid, url.replace('http://', '')]);
  expect(reached).toEqual([
    ['prometheus', 'prometheus:9090'],
    ['postgres', 'postgres:5432'],
    ['loki', 'loki:3100'],
  ]);
  expect(own!.jsonData!.database).toBe(postgres.environment!.POSTGRES_DB);
  expect(init).toContain(`CREATE ROLE ${own!.user} LOGIN`);
  const password = own!.secureJsonData!.password!.slice(1);
  expect(Object.keys(compose.services.grafana!.environment!)).toContain(password);
  expect(compose.services.grafana!.environment![password]).toBe(postgres.environment![password]!);
});

test('what Grafana reads is mounted where it looks', async () => {
  const { volumes, environment } = compose.services.grafana!;
  const { providers } = parse(await text('provisioning/dashboards/dashboards.yml')) as {
    providers: { options: { path: string } }[];
  };
  const [{ options }] = providers as [{ options: { path: string } }];
  expect(volumes).toContain(`./docker/grafana/dashboards:${options.path}:ro`);
  expect(volumes).toContain('./docker/grafana/provisioning:/etc/grafana/provisioning:ro');
  const home = environment!.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH!;
  expect(names.map((name) => `${options.path}/${name}`)).toContain(home);
});

function text(path: string): Promise<string> {
  return readFile(join(grafana, path), 'utf8');
}
