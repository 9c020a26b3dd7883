import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startConsole } from '../../tests/console/browser.ts';
import { sendSampleData } from './sampleData.ts';

/**
 * `bun run screenshots`: the README's two pictures of the console, docs/pictures/home.png and explore.png, of the real
 * system with the usage of an imaginary product. Needs PostgreSQL and Redis as `npm test` does, and Chromium.
 */
const folder = join(import.meta.dirname, '../../docs/pictures');
const viewport = { width: 1280, height: 800 };
const days = 30;
const events = 24_000;
/** Sent over so long a time, so that Home has a course to show. */
const seconds = 420;

const console_ = await startConsole();
try {
  const { url } = console_.apps;
  const sending = sendSampleData({ url, days, events, seconds, nowMs: Date.now() });
  await Promise.race([sending, Bun.sleep(seconds * 900)]);
  await mkdir(folder, { recursive: true });
  await picture('/console?minutes=10', 'home.png', 'light', 'Busiest meters');
  await picture(
    '/console/explore?meter=tokens&range=30d&group=model&chart=stacked',
    'explore.png',
    'dark',
    'By group',
  );
} finally {
  await console_.stop();
}
process.exit(0);

async function picture(
  path: string,
  name: string,
  colorScheme: 'light' | 'dark',
  text: string,
): Promise<void> {
  const { page, context } = await console_.open(path, {
    viewport,
    colorScheme,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
  });
  await page.getByText(text).first().waitFor();
  await page.locator('.chart canvas').first().waitFor();
  await page.waitForLoadState('networkidle', { timeout: 3_000 }).catch(() => {});
  await page.screenshot({ path: join(folder, name) });
  await context.close();
}
