import { writeConsoleTypes } from './consoleTypes.ts';

/** `bun run check`: types of the whole workspace, lint and format, side by side; prints what fails. */
const checks = [
  { name: 'types', command: ['tsc', '--noEmit', '--project', '.'] },
  { name: 'types of the console', command: ['tsc', '--noEmit', '--project', 'apps/console'] },
  {
    name: 'lint and format',
    command: ['biome', 'check', '--error-on-warnings', '--max-diagnostics=50', '.'],
  },
];

const root = `${import.meta.dirname}/..`;
await writeConsoleTypes();
const results = await Promise.all(checks.map(run));
for (const { name, seconds, exitCode, output } of results) {
  if (exitCode !== 0) console.log(output.trim());
  console.log(`${exitCode === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)`);
}
process.exit(results.every((result) => result.exitCode === 0) ? 0 : 1);

async function run({ name, command: [tool, ...args] }: { name: string; command: string[] }) {
  const began = performance.now();
  const child = Bun.spawn([`${root}/node_modules/.bin/${tool}`, ...args], {
    cwd: root,
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const exitCode = await child.exited;
  return { name, exitCode, output: out + err, seconds: (performance.now() - began) / 1_000 };
}
