import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Builds the console's pages into dist/: index.html, assets whose names hold a hash of their content, and usage-panel.js,
 * the web component for other pages. The gateway serves them (apps/gateway/console). Some 300 ms.
 */
const root = import.meta.dirname;
const distFolder = join(root, 'dist');

/** Takes the place of the build before in one step, so that a gateway that starts finds a whole one. */
export async function buildConsole(target = distFolder): Promise<void> {
  const folder = `${target}.${process.pid}`;
  await mkdir(join(folder, 'assets'), { recursive: true });
  const [pages, panel] = await Promise.all([
    bundle([join(root, 'src/main.tsx'), join(root, 'src/style/app.css')], '[name]-[hash].[ext]'),
    bundle([join(root, 'src/panel/panel.ts')], 'usage-panel.js'),
  ]);
  const names = new Map<string, string>();
  for (const file of pages) {
    const name = file.path.split('/').at(-1)!;
    names.set(name.endsWith('.css') ? 'style' : 'script', `assets/${name}`);
    await Bun.write(join(folder, 'assets', name), file);
  }
  await Bun.write(join(folder, 'usage-panel.js'), panel[0]!);
  await Bun.write(join(folder, 'icon.svg'), Bun.file(join(root, 'src/icon.svg')));
  await Bun.write(join(folder, 'index.html'), pageOf(names));
  await rm(target, { recursive: true, force: true });
  await rename(folder, target);
}

async function bundle(entrypoints: string[], naming: string): Promise<Bun.BuildArtifact[]> {
  const result = await Bun.build({
    entrypoints,
    naming,
    target: 'browser',
    format: 'esm',
    minify: true,
    jsx: { runtime: 'automatic', importSource: 'preact', development: false },
  });
  return result.outputs;
}

/** No inline script or style: the Content-Security-Policy allows neither. */
function pageOf(names: Map<string, string>): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Usage</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/console/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/${names.get('style')}">
<script type="module" src="/console/${names.get('script')}"></script>
</head>
<body>
<noscript>The console needs JavaScript. Without it, the API does everything: <a href="/swagger">/swagger</a>.</noscript>
<div id="app"></div>
</body>
</html>
`;
}

if (import.meta.main) await buildConsole();
