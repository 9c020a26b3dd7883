import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startConsole } from '../../tests/console/browser.ts';
import { randomNumbers, sampleEvent, sendSampleData } from './sampleData.ts';

/**
 * `bun run screenshots`: the README's two pictures of the console, docs/pictures/home.png and explore.png, of the real
 * system with the usage of an imaginary product. Needs PostgreSQL and Redis as `npm test` does, and Chromium.
 */
const folder = join(import.meta.dirname, '../../docs/pictures');
const viewport = { width: 1280, height: 800 };
const days = 30;
const events = 24_000;
/** As long as the rates of Home look back, and a little more. */
const liveSeconds = 45;
const eventsPerSecond = 60;

const console_ = await startConsole();
try {
  const { url } = console_.apps;
  await sendSampleData({ url, days, events, nowMs: Date.now() });
  await live(url);
  await mkdir(folder, { recursive: true });
  await picture('/console', 'home.png', 'light', 'Busiest meters');
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

/** Events as they come, for some seconds, so that Home has rates to show. */
async function live(url: string): Promise<void> {
  const random = randomNumbers(7);
  for (let second = 0; second < liveSeconds; second++) {
    const batch = Array.from({ length: eventsPerSecond - 10 + Math.floor(random() * 20) }, (_, n) =>
      sampleEvent(1_000_000 + second * 1_000 + n, Date.now(), random),
    );
    await fetch(`${url}/api/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(batch),
    });
    await Bun.sleep(1_000);
  }
}

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
