import { afterAll, beforeAll, expect, test } from 'bun:test';
import { withClient } from '../../db/connection/client.ts';
import { sampleMeters, sendSampleData } from '../../scripts/console/sampleData.ts';
import { seriousFaults } from './accessibility.ts';
import {
  type ConsoleUnderTest,
  describeInBrowser,
  type OpenPage,
  startConsole,
  startMsMax,
} from './browser.ts';

/** Every page over usage like a real one's: what it shows, its links, its state in the URL, axe in light and dark. */
/** Seconds where the machine is free; it may be shared with many others. */
const testMsMax = 240_000;
const customers = ['acme', 'globex'];
const looks = [
  { colorScheme: 'light', size: { width: 1280, height: 900 } },
  { colorScheme: 'dark', size: { width: 390, height: 800 } },
] as const;
/** The same parts are on every page: axe takes a second for each. */
const darkPaths = [
  '',
  '/events',
  '/explore?meter=tokens&group=model&chart=stacked&compare=1',
  '/meters/tokens',
];

describeInBrowser('pages', () => {
  let console_: ConsoleUnderTest;
  let one: OpenPage;
  let customerId: string;
  beforeAll(async () => {
    console_ = await startConsole();
    await sendSampleData({ url: console_.apps.url, days: 20, events: 3_000, nowMs: Date.now() });
    const post = (path: string, body: object) => console_.call('POST', path, body);
    const usageAttribution = { subjectKeys: customers };
    customerId = (await post('/api/v1/customers', { name: 'Acme Inc.', usageAttribution })).id;
    await post('/api/v1/features', { key: 'tokens', name: 'Tokens', meterSlug: 'tokens' });
    await post(`/api/v2/customers/${customerId}/entitlements`, {
      type: 'metered',
      featureKey: 'tokens',
      usagePeriod: { interval: 'MONTH' },
      issueAfterReset: 1e9,
    });
    one = await console_.open('/console');
  }, startMsMax);
  afterAll(() => console_?.stop(), startMsMax);

  const go = (path: string) => one.page.goto(`${console_.apps.url}/console${path}`);
  const query = async (slug: string, parameters: string) => {
    const response = await fetch(`${console_.apps.url}/api/v1/meters/${slug}/query?${parameters}`);
    return ((await response.json()) as { data: { value: number }[] }).data;
  };

  test(
    'axe finds nothing serious on any page, in light and in dark, wide and narrow; no page makes an error',
    async () => {
      const paths = [
        ['', 'Busiest meters'],
        ['/events', 'Show older events'],
        ['/events?mode=live', 'Pause'],
        ['/meters', 'Last 24 hours, by hour'],
        ['/meters/new?type=prompt', 'What is in their data'],
        ['/meters/tokens', 'Definition'],
        ['/meters/tokens/edit', 'What can change'],
        ['/explore?meter=tokens&group=model&chart=stacked&compare=1', 'By group'],
        ['/subjects', 'Go to a subject'],
        [`/subject?key=${customers[0]}`, 'Tokens'],
        ['/customers', 'Acme Inc.'],
        [`/customers/${customerId}`, 'allowed'],
        ['/notifications', 'Nothing has fired yet'],
        ['/corrections', 'No corrections'],
        ['/audit', 'Who changed what'],
        ['/trouble', 'No dead letters'],
        ['/keys', 'No keys yet'],
        ['/send', 'Send the event'],
        ['/nowhere', 'There is no such page'],
      ] as const;
      const { page } = one;
      const faults: string[] = [];
      await go('');
      for (const look of looks) {
        await page.emulateMedia({ colorScheme: look.colorScheme });
        await page.setViewportSize(look.size);
        for (const [path, text] of paths) {
          // As a link would: nothing is loaded anew, axe least of all.
          await page.evaluate(`history.pushState(null, '', '/console${path}')`);
          await page.getByText(text).first().waitFor({ state: 'attached' });
          const isChecked = look.colorScheme === 'light' || darkPaths.includes(path);
          const found = isChecked ? await seriousFaults(page) : [];
          const wider = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
          if (wider > 0) found.push(`${wider} px wider than the window`);
          faults.push(...found.map((fault) => `${look.colorScheme} ${path}: ${fault}`));
        }
      }
      expect(faults).toEqual([]);
      expect(one.faults).toEqual([]);
      await page.emulateMedia({ colorScheme: null });
      await page.setViewportSize(looks[0].size);
    },
    testMsMax,
  );

  test(
    'Explore shows the API’s numbers, goes into a group and back, and keeps its state in the URL',
    async () => {
      const { page } = one;
      await go('/explore?meter=tokens&range=90d');
      const [total] = await query('tokens', '');
      const shown = () => page.getByTestId('total').textContent();
      await page.getByTestId('total').getByText(total!.value.toLocaleString('en-GB')).waitFor();

      await page.getByLabel('model', { exact: true }).check();
      const groups = page.getByRole('table', { name: 'Usage by group' });
      await groups.getByRole('button', { name: 'claude-opus' }).click();
      const [opus] = await query('tokens', 'filterGroupBy[model]=claude-opus');
      await page.getByTestId('total').getByText(opus!.value.toLocaleString('en-GB')).waitFor();
      expect(new URL(page.url()).searchParams.get('filter')).toBe('model=claude-opus');

      await page.reload();
      await page.getByTestId('total').getByText(opus!.value.toLocaleString('en-GB')).waitFor();
      await page.goBack();
      await page.getByTestId('total').getByText(total!.value.toLocaleString('en-GB')).waitFor();
      expect(await shown()).toBe(total!.value.toLocaleString('en-GB'));
      await page.goForward();
      await page.getByTestId('total').getByText(opus!.value.toLocaleString('en-GB')).waitFor();

      await page.getByLabel('Compare with the period before').check();
      await page.getByTestId('compared').getByText('before:').waitFor();
    },
    testMsMax,
  );

  test(
    'a query is the same as CSV and as code; its SQL runs on the rollups',
    async () => {
      const { page } = one;
      await go('/explore?meter=tokens&range=90d&window=DAY&zone=UTC&group=model&filter=region%3Deu-central');
      await page.getByRole('table', { name: 'Usage by window' }).waitFor();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'CSV' }).click(),
      ]);
      const csv = await Bun.file(await download.path()).text();
      expect(csv).toStartWith('window_start,window_end,');
      const sum = csv
        .trim()
        .split('\r\n')
        .slice(1)
        .reduce((total, line) => total + Number(line.split(',').at(-1)), 0);
      const [total] = await query('tokens', 'filterGroupBy[region]=eu-central');
      expect(sum).toBe(total!.value);

      await page.getByRole('button', { name: 'As code' }).click();
      const curl = await page.getByLabel('The query as curl').textContent();
      expect(curl).toContain(`${console_.apps.url}/api/v1/meters/tokens/query`);
      const json = /-d '([\s\S]*)'$/.exec(curl!)![1]!;
      const posted = await fetch(`${console_.apps.url}/api/v1/meters/tokens/query`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: json,
      });
      const { data } = (await posted.json()) as { data: { value: number }[] };
      expect(data.reduce((all, row) => all + row.value, 0)).toBe(total!.value);
      await page.getByRole('button', { name: 'Grafana SQL' }).click();
      const sql = (await page.getByLabel('The query as sql').textContent())!.replace(
        '$__timeFilter(r.start)',
        'true',
      );
      expect(sql).toContain("s.group_values[2] IN ('eu-central')");
      // The rollups have it once the aggregator has merged what waits.
      for (let merged = 0; merged !== total!.value; ) {
        const { rows } = await withClient(console_.apps.database.url, (client) => client.query(sql));
        merged = rows.reduce((all, row) => all + Number(row.value), 0);
        expect(merged).toBeLessThanOrEqual(total!.value);
      }
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    },
    testMsMax,
  );

  test(
    'Events are found, and one says when it came and which meters counted it',
    async () => {
      const { page } = one;
      await go('/events?type=prompt&subject=acme');
      const list = page.getByRole('list', { name: 'Events, newest first' });
      await list.getByRole('button').first().click();
      const counted = page.getByTestId('counted-by');
      for (const { slug } of sampleMeters.filter(({ eventType }) => eventType === 'prompt'))
        await counted.getByRole('link', { name: slug }).waitFor();
      await page.getByText('Arrived').last().waitFor();
      await page.getByLabel('Show', { exact: true }).selectOption('invalid');
      await page.getByText(/shown, of/).waitFor();
      await go('/events?mode=live');
      const event = { specversion: '1.0', id: 'tail-1', source: 'test', type: 'seen_live', subject: 'live' };
      await list.getByRole('button').first().waitFor();
      await fetch(`${console_.apps.url}/api/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/cloudevents+json' },
        body: JSON.stringify(event),
      });
      await list.getByText('seen_live').waitFor();
    },
    testMsMax,
  );

  test(
    'a key is shown once when it is made, and is revoked; a meter is changed, built anew and deleted',
    async () => {
      const { page } = one;
      await go('/keys');
      await page.getByRole('button', { name: 'Create a key' }).click();
      await page.getByRole('button', { name: 'Create the key' }).click();
      await page.getByText('must have at least').or(page.locator('.issue')).first().waitFor();
      await page.getByLabel('Name', { exact: true }).fill('chat service');
      await page.getByLabel('read: usage').check();
      await page.getByRole('button', { name: 'Create the key' }).click();
      const key = await page.getByTestId('new-key').textContent();
      expect(key!.trim()).toMatch(/^usage_[a-z0-9]{8}_/);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Revoke' }).click();
      await page.getByRole('button', { name: 'Revoke the key' }).click();
      await page.getByRole('cell', { name: 'revoked' }).waitFor();
      expect(await page.content()).not.toContain(key!.trim());

      await go('/meters/new?type=prompt');
      await page.getByLabel('Value', { exact: true }).fill('$.tokens * $.seconds');
      await page.getByTestId('preview-summary').getByText('would count').waitFor();
      await page.getByRole('button', { name: 'Create the meter' }).click();
      await page.getByRole('heading', { name: 'prompt_tokens_seconds' }).waitFor();

      await go('/meters/storage_gb/edit');
      await page.getByRole('button', { name: 'Add a group' }).click();
      await page.getByLabel('Name of group 1').fill('tier');
      await page.getByLabel('Path of group 1').fill('$.tier');
      await page.getByText('Another groupBy rebuilds the meter').waitFor();
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('$.tier').waitFor();
      await page.getByRole('button', { name: 'Delete' }).click();
      await page.getByRole('button', { name: 'Delete the meter' }).click();
      await page.getByText('storage_gb is deleted').waitFor();
      await page.getByRole('link', { name: 'storage_gb' }).waitFor({ state: 'detached' });
      expect(one.faults).toEqual([]);
    },
    testMsMax,
  );

  test(
    'a meter of percentiles is made and asked for one of them; one of a level says in which unit',
    async () => {
      const { page } = one;
      const create = async (aggregation: string, value: string, slug: string) => {
        await go('/meters/new?type=prompt');
        await page.getByLabel('Aggregation').selectOption(aggregation);
        await page.getByLabel('Value', { exact: true }).fill(value);
        await page.getByLabel('Slug').fill(slug);
        if (aggregation === 'WEIGHTED_SUM') await page.getByLabel('Time unit').selectOption('DAY');
        await page.getByTestId('preview-summary').getByText('would count').waitFor();
        await page.getByRole('button', { name: 'Create the meter' }).click();
        await page.getByRole('heading', { name: slug }).waitFor();
      };
      await create('PERCENTILE', '$.seconds', 'seconds_percentile');
      await go('/explore?meter=seconds_percentile&range=90d');
      await page.getByText('PERCENTILE 50 of $.seconds').waitFor();
      await page.getByLabel('Percentile').selectOption('99');
      await page.getByText('PERCENTILE 99 of $.seconds').waitFor();
      const [p99] = await query('seconds_percentile', 'percentile=99');
      await page.getByTestId('total').getByText(String(p99!.value), { exact: true }).waitFor();
      await create('WEIGHTED_SUM', '$.tokens', 'level');
      await page.getByText('× days').waitFor();
    },
    testMsMax,
  );

  test(
    'the keyboard alone: skip to the content, go through the pages, open an event',
    async () => {
      const { page } = one;
      await go('');
      await page.getByText('Busiest meters').waitFor();
      await page.keyboard.press('Tab');
      expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Skip to content');
      await page.getByRole('link', { name: 'Events', exact: true }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('list', { name: 'Events, newest first' }).waitFor();
      await page.getByRole('list', { name: 'Events, newest first' }).getByRole('button').first().focus();
      await page.keyboard.press('Enter');
      await page
        .getByTestId('counted-by')
        .or(page.getByText('No meter measures events of this type'))
        .first()
        .waitFor();
    },
    testMsMax,
  );
});
