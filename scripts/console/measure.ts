import { loadavg } from 'node:os';
import type { Page } from 'playwright-core';
import { directFetch } from '../../lib/http/directFetch.ts';
import { type ConsoleUnderTest, startConsole } from '../../tests/console/browser.ts';
import { sendSampleData } from './sampleData.ts';

/**
 * `bun scripts/console/measure.ts`: what load/RESULTS.md says of the console, measured on the real processes with a build of
 * its own in a headless Chromium: sizes, time until pages are usable, the live list beside 10,000 events/s, a table of
 * 100,000 rows. Takes two minutes or so.
 */
const repetitions = 5;
const floodEventsPerSecond = 10_000;
const floodSeconds = 20;
const rows = 100_000;
const scrollSteps = 120;

const console_ = await startConsole({ QUERY_MS_MAX: '50000', READ_MS_MAX: '55000' });
const { url } = console_.apps;
try {
  say('load average of the minute before', loadavg()[0]!.toFixed(1));
  await sizes();
  await sendSampleData({ url, days: 30, events: 20_000, nowMs: Date.now() });
  await usable('Home', '/console', 'Busiest meters', '.bar-row');
  await usable('Explore', '/console/explore?meter=tokens&range=30d&group=model', 'By group', '.chart canvas');
  await usable('Events', '/console/events', 'Show older events', '.event-row');
  await flood(console_);
  await table(console_);
  say('load average of the last minute', loadavg()[0]!.toFixed(1));
} finally {
  await console_.stop();
}
process.exit(0);

function say(what: string, value: string): void {
  console.log(`${what.padEnd(58)} ${value}`);
}

/** As they come over the wire. */
async function sizes(): Promise<void> {
  const page = await (await directFetch(`${url}/console`)).text();
  const paths = [...page.matchAll(/(?:src|href)="(\/console\/.+?)"/g)].map(([, path]) => path!);
  const sizeOf = async (path: string) => {
    const response = await directFetch(url + path);
    return Bun.gzipSync(new Uint8Array(await response.arrayBuffer())).length;
  };
  let first = 0;
  for (const path of ['/console', ...paths]) first += await sizeOf(path);
  say('first page, gzip', `${(first / 1_000).toFixed(1)} kB in ${paths.length + 1} files`);
  say('usage-panel.js, gzip', `${((await sizeOf('/usage-panel.js')) / 1_000).toFixed(1)} kB`);
}

/** From the start of the navigation, without a cache, until the page shows its data. */
async function usable(name: string, path: string, text: string, selector: string): Promise<void> {
  const times: number[] = [];
  for (let n = 0; n < repetitions; n++) {
    const { page, context } = await console_.open('/health/live');
    const startedMs = performance.now();
    await page.goto(url + path, { waitUntil: 'commit' });
    await Promise.all([page.getByText(text).first().waitFor(), page.locator(selector).first().waitFor()]);
    times.push(performance.now() - startedMs);
    await context.close();
  }
  const shown = times.sort((x, y) => x - y).map((ms) => ms.toFixed(0));
  say(
    `${name} shows its data after (shortest, median, longest)`,
    `${shown[0]}, ${shown[Math.floor(repetitions / 2)]}, ${shown.at(-1)} ms`,
  );
}

/** Gaps between frames while `during` runs: what somebody sees as a jerk. */
async function frames(page: Page, during: () => Promise<void>) {
  await page.evaluate(`globalThis.gaps = []; globalThis.isWatched = true; let last = performance.now();
    (function step(now) { if (!globalThis.isWatched) return; globalThis.gaps.push(now - last); last = now; requestAnimationFrame(step); })(last)`);
  await during();
  const gaps = await page.evaluate<number[]>('globalThis.isWatched = false; globalThis.gaps');
  gaps.sort((a, b) => a - b);
  const at = (share: number) => gaps[Math.floor((gaps.length - 1) * share)]!.toFixed(0);
  return `${gaps.length} frames, gaps p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`;
}

async function flood({ open }: ConsoleUnderTest): Promise<void> {
  const { page, context } = await open('/console/events?mode=live&type=flood');
  await page.getByText('No event yet').or(page.locator('.event-row')).first().waitFor();
  const startedMs = performance.now();
  let sent = 0;
  const seconds = () => (performance.now() - startedMs) / 1_000;
  const sending = (async () => {
    while (seconds() < floodSeconds) {
      const due = Math.min(2_000, Math.ceil(seconds() * floodEventsPerSecond) - sent);
      if (due < 500) await Bun.sleep(10);
      else
        await post(
          '/api/v1/events',
          Array.from({ length: due }, () => floodEvent(sent++)),
        );
    }
  })();
  await page.getByText('this is a sample').waitFor({ timeout: 60_000 });
  say('the live list says that it is a sample after', `${seconds().toFixed(1)} s`);
  const drawn = await frames(page, () => Bun.sleep(Math.max(0, floodSeconds - 2 - seconds()) * 1_000));
  const text = await page.getByTestId('tail-rate').textContent();
  const clickedMs = performance.now();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('paused').waitFor();
  say('a click on Pause takes', `${(performance.now() - clickedMs).toFixed(0)} ms`);
  await sending;
  say('events sent beside it', `${(sent / seconds()).toFixed(0)}/s over ${seconds().toFixed(0)} s`);
  say('it shows', text ?? '');
  say('it draws', drawn);
  await context.close();
}

function floodEvent(n: number) {
  const common = { specversion: '1.0', source: 'flood', type: 'flood', subject: `customer-${n % 100}` };
  return { ...common, id: `flood-${n}`, data: { n } };
}

async function table({ open }: ConsoleUnderTest): Promise<void> {
  const groupBy = { key: '$.key' };
  await post('/api/v1/meters', {
    ...{ slug: 'wide', eventType: 'wide', aggregation: 'SUM', valueProperty: '$.n', groupBy },
  });
  for (let from = 0; from < rows; from += 10_000) {
    const events = Array.from({ length: 10_000 }, (_, n) => ({
      ...{ specversion: '1.0', id: `wide-${from + n}`, source: 'wide', type: 'wide', subject: 'one' },
      data: { n: '0.1', key: `k${from + n}` },
    }));
    await post('/api/v1/events', events, { Prefer: 'wait=30' });
  }
  const startedMs = performance.now();
  const { page, context } = await open('/console/explore?meter=wide&group=key&range=7d&window=DAY');
  await page.getByText('100,000 rows with usage').waitFor({ timeout: 120_000 });
  say(`${rows} rows are there after`, `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
  const list = page.getByRole('table', { name: 'Usage by window' });
  await list.scrollIntoViewIfNeeded();
  const scrolled = await frames(page, async () => {
    for (let n = 1; n <= scrollSteps; n++)
      await list.evaluate(
        (element, share) => element.scrollTo(0, element.scrollHeight * share),
        n / scrollSteps,
      );
  });
  await list.getByText('k99999', { exact: true }).waitFor();
  say(`scrolling through them in ${scrollSteps} steps`, scrolled);
  await context.close();
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<void> {
  const response = await directFetch(url + path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
}
