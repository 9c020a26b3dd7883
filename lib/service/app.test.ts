import { expect, test } from 'bun:test';
import { getPriority } from 'node:os';

const program = `
  import { getPriority } from 'node:os';
  import { App } from '${import.meta.dir}/app.ts';
  new App('proof', console, 1).letOthersGoFirst();
  console.log(getPriority());
`;

test('a background app lets others go first', () => {
  expect(nicenessWhenStarted([])).toBe(`${Math.max(5, getPriority())}`);
});

test('a background app that was started with a higher niceness keeps it', () => {
  expect(nicenessWhenStarted(['nice', '-n', '19'])).toBe('19');
});

function nicenessWhenStarted(by: readonly string[]): string {
  const { stdout, stderr } = Bun.spawnSync([...by, process.execPath, '-e', program]);
  expect(stderr.toString()).toBe('');
  return stdout.toString().trim();
}
