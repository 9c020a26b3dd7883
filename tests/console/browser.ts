import { describe, expect } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { buildConsole } from '../../apps/console/build.ts';
import { type RunningApps, startApps } from '../support/apps.ts';

/** The machine's own Chromium or Chrome; none is downloaded. */
const executablePath =
  Bun.which('chromium') ?? Bun.which('chromium-browser') ?? Bun.which('google-chrome') ?? undefined;
/** Of the real processes, a browser and the build of the pages. */
export const startMsMax = 120_000;
/** How long a page may take to show what a test waits for: the machine is shared with other tests. */
const waitMsMax = 40_000;

/** Tests that need a browser: where there is none they are skipped, and the run says so. */
export function describeInBrowser(name: string, tests: () => void): void {
  if (executablePath === undefined) console.log(`No Chromium or Chrome on the PATH: skipped ${name}.`);
  describe.skipIf(executablePath === undefined)(name, tests);
}

export interface ConsoleUnderTest {
  apps: RunningApps;
  browser: Browser;
  /** A page in a browser profile of its own; what the browser finds wrong with it is collected. */
  open(path: string, options?: Parameters<Browser['newContext']>[0]): Promise<OpenPage>;
  /** Calls the API past the pages; fails where that is refused. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<any>;
  stop(): Promise<void>;
}

export interface OpenPage {
  page: Page;
  context: BrowserContext;
  /** Errors of scripts, and what the Content-Security-Policy or the network refused. */
  faults: string[];
}

/** The real processes with a fresh build of the console, and a headless browser. */
export async function startConsole(settings: Record<string, string> = {}): Promise<ConsoleUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'usage-console-'));
  const build = join(folder, 'build');
  await buildConsole(build);
  const [apps, browser] = await Promise.all([
    startApps({ CONSOLE_FOLDER: build, ...settings }),
    chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
  ]);
  return {
    apps,
    browser,
    async open(path, options = {}) {
      const context = await browser.newContext({
        locale: 'en-GB',
        timezoneId: 'Europe/Berlin',
        viewport: { width: 1280, height: 900 },
        ...options,
      });
      context.setDefaultTimeout(waitMsMax);
      const page = await context.newPage();
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
      page.on('console', (message) => {
        const { type, text } = { type: message.type(), text: message.text() };
        if (type === 'error' && !/status of 4\d\d/.test(text)) faults.push(`console: ${text}`);
      });
      page.on('request', (request) => {
        const { protocol, host } = new URL(request.url());
        if (protocol !== 'data:' && protocol !== 'blob:' && host !== new URL(apps.url).host)
          faults.push(`another host: ${request.url()}`);
      });
      await page.goto(apps.url + path);
      return { page, context, faults };
    },
    async call(method, path, body, headers = {}) {
      const response = await fetch(apps.url + path, {
        method,
        headers: { 'Content-Type': 'application/json', ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      expect(response.status).toBeLessThan(300);
      const text = await response.text();
      return text === '' ? undefined : JSON.parse(text);
    },
    async stop() {
      await browser.close();
      await apps.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
