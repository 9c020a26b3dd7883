import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect } from '@usage/db/connection/connect.ts';
import { insertDeadLetter } from '@usage/db/events/deadLetters.ts';
import { seriousFaults } from './accessibility.ts';
import {
  type ConsoleUnderTest,
  describeInBrowser,
  type OpenPage,
  startConsole,
  startMsMax,
} from './browser.ts';

/** What somebody puts right by hand: events voided and amended, dead letters edited, meters of some events only. */
const testMsMax = 240_000;
const exactTokens = '12345678901234567890.5';

describeInBrowser('what is put right', () => {
  let console_: ConsoleUnderTest;
  let one: OpenPage;
  beforeAll(async () => {
    console_ = await startConsole();
    const groupBy = { model: '$.model' };
    const tokens = { slug: 'tokens', eventType: 'prompt', aggregation: 'SUM', valueProperty: '$.tokens' };
    await post('/api/v1/meters', { ...tokens, groupBy });
    await post('/api/v1/meters', { slug: 'quiet', eventType: 'quiet', aggregation: 'COUNT' });
    const event = (id: string, subject: string, tokens: number, status: string) => ({
      ...{ specversion: '1.0', id, source: 'test', type: 'prompt', subject },
      data: { tokens, model: `model-${tokens}`, status },
    });
    const events = [
      event('a', 'acme', 100, 'ok'),
      event('b', 'acme', 20, 'failed'),
      event('c', 'globex', 3, 'ok'),
      event('d', 'doubled', 5_000, 'ok'),
      event('e', 'doubled', 6_000, 'ok'),
    ];
    await post('/api/v1/events', events, { Prefer: 'wait=20' });
    const usageAttribution = { subjectKeys: ['globex'] };
    await post('/api/v1/customers', { name: 'Globex Inc.', usageAttribution });
    one = await console_.open('/console');
  }, startMsMax);
  afterAll(() => console_?.stop(), startMsMax);

  const post = (path: string, body: unknown, headers?: Record<string, string>) =>
    console_.call('POST', path, body, headers);
  const go = (path: string) => one.page.goto(`${console_.apps.url}/console${path}`);
  const total = async (parameters = '') => {
    const response = await fetch(`${console_.apps.url}/api/v1/meters/tokens/query?${parameters}`);
    const { data } = (await response.json()) as { data: { value: number; valueExact?: string }[] };
    return data[0]?.valueExact ?? String(data[0]?.value ?? 0);
  };
  const openEvent = async (id: string) => {
    await go(`/events?id=${id}`);
    await one.page.getByRole('list', { name: 'Events, newest first' }).getByRole('button').first().click();
    await one.page.getByTestId('counted-by').waitFor();
  };

  test(
    'an event is voided from its page after a dry run, and counts again when that is undone',
    async () => {
      const { page } = one;
      await openEvent('a');
      await page.getByRole('button', { name: 'Void', exact: true }).click();
      await page.getByTestId('effects').getByText('100 → 0').waitFor();
      expect(await total('subject=acme')).toBe('120');
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByLabel('Reason').fill('sent twice');
      await page.getByRole('button', { name: 'Void the event' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await total('subject=acme')).toBe('20');
      await page.getByTestId('counted-by').getByText('the event was voided: sent twice').waitFor();
      expect(await seriousFaults(page)).toEqual([]);

      await page.getByTestId('event-corrections').getByRole('button', { name: 'Undo' }).click();
      await page.getByTestId('counted-by').getByText('100', { exact: true }).waitFor();
      await page.getByTestId('event-corrections').getByText('undone or replaced').waitFor();
      expect(await total('subject=acme')).toBe('120');
    },
    testMsMax,
  );

  test(
    'an event is amended digit by digit, and is explained as it counts then',
    async () => {
      const { page } = one;
      await openEvent('b');
      await page.getByRole('button', { name: 'Amend' }).click();
      const data = page.getByLabel('Data (JSON)');
      await data.fill('{"tokens": ');
      await page.getByText('This is not JSON').waitFor();
      expect(await page.getByRole('button', { name: 'Amend the event' }).isDisabled()).toBe(true);
      await data.fill(`{"tokens": ${exactTokens}, "model": "model-b"}`);
      await page.getByTestId('effects').getByText(`20 → 12,345,678,901,234,567,890.5`).waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByLabel('Reason').fill('wrong unit');
      await page.getByRole('button', { name: 'Amend the event' }).click();
      await page.getByTestId('counted-by').getByText('12,345,678,901,234,567,890.5').waitFor();
      await page.getByTestId('counted-by').getByText('model = model-b').waitFor();
      expect(await total('subject=acme')).toBe('12345678901234567990.5');

      // What is amended again begins with what counts now, to the last digit.
      await page.getByRole('button', { name: 'Amend', exact: true }).click();
      expect(await data.inputValue()).toContain(exactTokens);
      await page.keyboard.press('Escape');
    },
    testMsMax,
  );

  test(
    'many events are voided by a filter once it is shown how many; the list of corrections has them all',
    async () => {
      const { page } = one;
      await go('/corrections');
      await page.getByRole('button', { name: 'Void many events' }).click();
      await page.getByLabel('Subject', { exact: true }).fill('doubled');
      await page.getByRole('button', { name: 'Show what it changes' }).click();
      await page.getByTestId('effects').getByText('11,000 → 0').waitFor();
      await page.getByLabel('Reason').fill('a whole import too much');
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('button', { name: 'Void 2 events' }).click();
      await page.getByText('a whole import too much').nth(1).waitFor();
      expect(await total('subject=doubled')).toBe('0');
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('link', { name: 'd', exact: true }).click();
      await page.getByRole('list', { name: 'Events, newest first' }).getByText('voided').waitFor();
    },
    testMsMax,
  );

  test(
    'Explore shows usage as of a moment before the corrections, and the largest groups with all others as one',
    async () => {
      const { page } = one;
      const beforeMs = Date.now() - 3_600_000;
      await go(`/explore?meter=tokens&range=24h&subject=globex&asof=${new Date(beforeMs).toISOString()}`);
      await page.getByText('No usage in this time').waitFor();
      await page.getByLabel('As of').fill('');
      await page.getByLabel('As of').blur();
      await page.getByTestId('total').getByText('3', { exact: true }).waitFor();
      for (const n of [1, 2, 3, 4, 5, 6])
        await post('/api/v1/events', {
          ...{ specversion: '1.0', id: `top-${n}`, source: 'test', type: 'prompt', subject: 'top' },
          data: { tokens: n, model: `top-${n}` },
        });
      await expectTotal('subject=top', '21');
      await go('/explore?meter=tokens&range=24h&group=model&subject=top&window=DAY');
      await page.getByLabel('Groups').selectOption('5');
      const groups = page.getByRole('table', { name: 'Usage by group' });
      await groups.getByText('all others').waitFor();
      await page.getByText('5 groups, the largest; all others are one').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.reload();
      await groups.getByText('all others').waitFor();
      await page.getByRole('button', { name: 'As code' }).click();
      expect(await page.getByLabel('The query as curl').textContent()).toContain('"topN": 5');
    },
    testMsMax,
  );

  async function expectTotal(parameters: string, value: string): Promise<void> {
    while ((await total(parameters)) !== value) await Bun.sleep(20);
  }

  test(
    'Explore opens on the busiest meter, and events are narrowed to those of a customer',
    async () => {
      const { page } = one;
      await go('/explore');
      await page.waitForURL(/meter=tokens/);
      await go('/events');
      await page.getByLabel('Customer').selectOption({ label: 'Globex Inc.' });
      await page.getByText('1 shown', { exact: true }).waitFor();
      await page.getByRole('list', { name: 'Events, newest first' }).getByText('globex').waitFor();
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByText('11 shown').waitFor();
    },
    testMsMax,
  );

  test(
    'a meter of some events only is tried with its filter and expression before it is created',
    async () => {
      const { page } = one;
      await go('/meters/new?type=prompt');
      await page.getByLabel('Value', { exact: true }).fill('$.tokens * 2');
      await page.getByTestId('preview-summary').getByText('9 would count').waitFor();
      await page.getByRole('button', { name: 'Filter by $.status' }).click();
      await page.getByLabel('Operator of filter 1').selectOption('$ne');
      await page.getByLabel('Value of filter 1').fill('ok');
      // Amended and voided events count as they count; those without a status pass as well.
      await page.getByTestId('preview-summary').getByText('7 would count').waitFor();
      await page.getByText('the meter’s filters leave it out').first().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByLabel('Slug').fill('doubled_tokens');
      await page.getByRole('button', { name: 'Create the meter' }).click();
      await page.getByRole('heading', { name: 'doubled_tokens' }).waitFor();
      await page.getByText('{"$.status":{"$ne":"ok"}}').waitFor();
      await openEvent('c');
      const counted = page.getByTestId('counted-by');
      await counted.getByText('the meter’s filters leave it out').waitFor();
      await openEvent('top-6');
      await counted.getByText('12', { exact: true }).waitFor();
    },
    testMsMax,
  );

  test(
    'a dead letter is edited and re-driven: what is not JSON or no event is said, and no digit is lost',
    async () => {
      const { page } = one;
      const { database } = console_.apps;
      const sql = connect({ url: database.url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
      const letter = { kind: 'event', namespace: 'default', reason: 'it lacks a subject' } as const;
      const bad = { specversion: '1.0', id: 'dead-1', source: 'test', type: 'prompt' };
      const text = `${JSON.stringify(bad).slice(0, -1)},"data":{"tokens":${exactTokens}}}`;
      await insertDeadLetter(sql, { ...letter, frameId: '1-1', position: 0, payload: Buffer.from(text) });
      await sql.end();

      await go('');
      await page.getByTestId('dead-letters').getByText('1', { exact: true }).waitFor();
      await page.getByRole('link', { name: 'see and re-drive' }).click();
      await page.getByRole('button', { name: 'Edit' }).click();
      const json = page.getByLabel('The event (JSON)');
      const first = await json.inputValue();
      expect(first).toContain(exactTokens);
      await json.fill('{');
      await page.getByText('This is not JSON').waitFor();
      await json.fill(first);
      await page.getByRole('button', { name: 'Save and re-drive' }).click();
      await page.getByRole('dialog').getByText('subject').last().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await json.fill(first.replace('{', '{"subject": "edited",'));
      await page.getByRole('button', { name: 'Save and re-drive' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await page.getByText('All dead letters were re-driven').waitFor();
      await expectTotal('subject=edited', exactTokens);
      await page.getByRole('button', { name: 'All', exact: true }).click();
      await page.getByText('it lacks a subject').waitFor();
      expect(one.faults).toEqual([]);
    },
    testMsMax,
  );
});
