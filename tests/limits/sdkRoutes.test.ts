import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { limitsRoutes } from '@usage/lib/limits/api/index.ts';

/** The methods of OpenMeter's SDK that are about customers, features, entitlements, grants and notifications. */
const modules = ['customers', 'features', 'entitlements', 'notifications'];

test('every method of OpenMeter’s SDK in this area has a route', async () => {
  const folder = dirname(require.resolve('@openmeter/sdk/package.json'));
  const called = (
    await Promise.all(
      modules.map(async (name) => {
        const text = await readFile(join(folder, `dist/src/client/${name}.js`), 'utf8');
        return [...text.matchAll(/\.(GET|POST|PUT|DELETE)\('([^']+)'/g)].map(
          ([, method, path]) => `${method} ${path}`,
        );
      }),
    )
  ).flat();
  expect(called.length).toBeGreaterThanOrEqual(54);
  const nameless = (line: string) => line.replaceAll(/\{\w+\}|:\w+/g, '*');
  const routes = new Set(
    Object.values(limitsRoutes).map(({ method, path }) => nameless(`${method} ${path}`)),
  );
  expect(called.filter((line) => !routes.has(nameless(line)))).toEqual([]);
});
