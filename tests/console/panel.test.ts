import { afterAll, beforeAll, expect, test } from 'bun:test';
import { seriousFaults } from './accessibility.ts';
import { type ConsoleUnderTest, describeInBrowser, startConsole, startMsMax } from './browser.ts';

/** The web component on a customer's own page, which is of another origin than the API. */
const adminKey = 'the-operators-own-key-0123456789abcdef';
const testMsMax = 120_000;

describeInBrowser('the usage panel', () => {
  let console_: ConsoleUnderTest;
  let shop: ReturnType<typeof Bun.serve>;
  let token = '';
  beforeAll(async () => {
    console_ = await startConsole({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
    const { url } = console_.apps;
    shop = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () =>
        new Response(
          `<!doctype html><html lang="en"><title>Shop</title><main><h1>Your usage</h1>
           <usage-panel token="${token}" meter="tokens" group-by="model" title="Tokens"></usage-panel></main>
           <script type="module" src="${url}/usage-panel.js"></script>`,
          {
            headers: {
              'Content-Type': 'text/html',
              'Content-Security-Policy': `default-src 'none'; script-src ${url}; connect-src ${url}; style-src 'self'`,
            },
          },
        ),
    });
    await post('/api/v1/meters', {
      slug: 'tokens',
      eventType: 'prompt',
      aggregation: 'SUM',
      valueProperty: '$.tokens',
      groupBy: { model: '$.model' },
    });
    const event = (id: string, subject: string, tokens: string, model: string) => ({
      specversion: '1.0',
      id,
      source: 'test',
      type: 'prompt',
      subject,
      data: { tokens, model },
    });
    const events = [
      event('1', 'mine', '1234567890123456789.25', 'large'),
      event('2', 'mine', '0.5', '<img src=x onerror=alert(1)>'),
      event('3', 'theirs', '77777', 'secret-model'),
    ];
    await post('/api/v1/events', events, { Prefer: 'wait=20' });
    const made = await post('/api/v1/portal/tokens', { subject: 'mine', allowedMeterSlugs: ['tokens'] });
    token = ((await made.json()) as { token: string }).token;
  }, startMsMax);
  afterAll(async () => {
    await shop?.stop(true);
    await console_?.stop();
  }, startMsMax);

  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(console_.apps.url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${adminKey}`, ...headers },
      body: JSON.stringify(body),
    });
    expect(response.status).toBeLessThan(300);
    return response;
  }

  test(
    'shows one subject its own usage in the browser’s language and zone, exactly, as chart and as table',
    async () => {
      const { page, context, faults } = await console_.open('/health/live', {
        locale: 'de-DE',
        timezoneId: 'Asia/Tokyo',
      });
      await page.goto(`http://127.0.0.1:${shop.port}/`);
      const panel = page.locator('usage-panel');
      await panel.locator('rect').first().waitFor({ state: 'attached' });
      expect(await panel.locator('rect').count()).toBe(2);
      await panel.getByText('Asia/Tokyo').waitFor();
      await panel.getByRole('button', { name: 'Tabelle' }).click();
      await panel.getByRole('cell', { name: '1.234.567.890.123.456.789,25' }).waitFor();
      await panel.getByRole('cell', { name: '<img src=x onerror=alert(1)>' }).waitFor();
      expect(await panel.getByText('secret-model').count()).toBe(0);
      expect(await panel.locator('img').count()).toBe(0);
      expect(await seriousFaults(page)).toEqual([]);
      expect(faults.filter((fault) => !fault.startsWith('another host'))).toEqual([]);
      await context.close();
    },
    testMsMax,
  );

  test(
    'asks the page for a new token when its own has ended',
    async () => {
      await post('/api/v1/portal/tokens/invalidate', { subject: 'mine' });
      const { page, context } = await console_.open('/health/live');
      const asked = page.waitForEvent('console', (message) => message.text() === 'needed');
      await page.addInitScript("addEventListener('usage-token-needed', () => console.log('needed'))");
      await page.goto(`http://127.0.0.1:${shop.port}/`);
      await asked;
      await page.locator('usage-panel').getByText('This view has expired').waitFor();
      await context.close();
    },
    testMsMax,
  );

  test('is one script of less than 30 kB on the wire, for pages of any origin', async () => {
    const response = await fetch(`${console_.apps.url}/usage-panel.js`, {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(Bun.gzipSync(new Uint8Array(await response.arrayBuffer())).length).toBeLessThan(30_000);
  });
});
