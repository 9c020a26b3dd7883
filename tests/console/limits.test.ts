import { afterAll, beforeAll, expect, test } from 'bun:test';
import { Receiver } from '../limits/receiver.ts';
import { seriousFaults } from './accessibility.ts';
import {
  type ConsoleUnderTest,
  describeInBrowser,
  type OpenPage,
  startConsole,
  startMsMax,
} from './browser.ts';

/** Customers, what they may use, and what is sent at thresholds: made, changed, tested and taken back in the pages. */
const testMsMax = 240_000;

describeInBrowser('customers and notifications', () => {
  let console_: ConsoleUnderTest;
  let one: OpenPage;
  const receiver = new Receiver();
  beforeAll(async () => {
    console_ = await startConsole({ WEBHOOK_ADDRESSES: 'any' });
    await call('POST', '/api/v1/meters', { slug: 'calls', eventType: 'call', aggregation: 'COUNT' });
    one = await console_.open('/console/customers');
  }, startMsMax);
  afterAll(async () => {
    await console_?.stop();
    await receiver.stop();
  }, startMsMax);

  const call = (method: string, path: string, body?: unknown) =>
    console_.call(method, path, body, { Prefer: 'wait=20' });
  const go = (path: string) => one.page.goto(`${console_.apps.url}/console${path}`);
  const button = (name: string) => one.page.getByRole('button', { name, exact: true });
  const field = (label: string) => one.page.getByRole('dialog').last().getByLabel(label, { exact: true });
  const closed = () => one.page.getByRole('dialog').waitFor({ state: 'detached' });
  const send = (from: number, count: number) =>
    call(
      'POST',
      '/api/v1/events',
      Array.from({ length: count }, (_, n) => ({
        ...{ specversion: '1.0', id: `call-${from + n}`, source: 'test', type: 'call', subject: 'acme-api' },
      })),
    );

  test(
    'a customer is created and changed; what is wrong with a field is said beside it',
    async () => {
      const { page } = one;
      await button('Create a customer').click();
      await field('Name').fill('Acme Inc.');
      await button('Create the customer').click();
      await page.getByRole('alert').first().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await field('Key').fill('acme');
      await field('Subjects').fill('acme-api, acme-batch');
      await button('Create the customer').click();
      await page.getByRole('heading', { name: 'Acme Inc.' }).waitFor();
      await page.getByRole('link', { name: 'acme-batch' }).waitFor();

      await button('Change').click();
      await field('Name').fill('Acme Corporation');
      await field('E-mail').fill('ops@acme.example');
      await button('Save').click();
      await closed();
      await page.getByRole('heading', { name: 'Acme Corporation' }).waitFor();
      const stored = await call('GET', '/api/v1/customers/acme');
      expect(stored).toMatchObject({
        primaryEmail: 'ops@acme.example',
        usageAttribution: { subjectKeys: ['acme-api', 'acme-batch'] },
      });
    },
    testMsMax,
  );

  test(
    'an entitlement to a new feature is given, its grants are added and voided, and it is reset and ended',
    async () => {
      const { page } = one;
      await button('Give an entitlement').click();
      await button('New feature').click();
      await field('Key of the feature').fill('calls');
      await field('Measured by').selectOption('calls');
      await button('Create the feature').click();
      await field('Amount in each period').fill('10');
      expect(await seriousFaults(page)).toEqual([]);
      await button('Give the entitlement').click();
      await closed();
      await page.getByText('allowed', { exact: true }).waitFor();
      await send(0, 4);
      await page.getByRole('cell', { name: '6', exact: true }).waitFor();

      await button('Grants').click();
      await button('Add a grant').click();
      await field('Amount').fill('12345678901234567890.5');
      await field('Ends').selectOption('MONTH');
      await field('Ends after').fill('2');
      expect(await seriousFaults(page)).toEqual([]);
      await button('Add the grant').click();
      await page.getByRole('cell', { name: '12,345,678,901,234,567,890.5' }).waitFor();
      const { items } = await call('GET', '/api/v2/customers/acme/entitlements/calls/grants');
      expect(items).toContainEqual(
        expect.objectContaining({
          amountExact: '12345678901234567890.5',
          expiration: { duration: 'MONTH', count: 2 },
        }),
      );
      const row = page.getByRole('row', { name: '12,345,678,901,234,567,890.5' });
      await row.getByRole('button', { name: 'Void' }).click();
      await button('Void the grant').click();
      await row.getByText('voided').waitFor();
      await page.getByRole('dialog').nth(1).waitFor({ state: 'detached' });
      await page.keyboard.press('Escape');
      await closed();

      await button('Reset').click();
      await button('Reset the usage').click();
      await closed();
      await page.getByRole('cell', { name: '10', exact: true }).waitFor();
    },
    testMsMax,
  );

  test(
    'channels and rules are created, tested and edited; a delivery that fails is shown with its answer',
    async () => {
      const { page } = one;
      receiver.answer = ({ path }) =>
        new Response(path === '/bad' ? 'no thanks' : 'ok', { status: path === '/bad' ? 500 : 200 });
      await go('/notifications');
      for (const name of ['good', 'bad']) {
        await button('Create a channel').click();
        await field('Name').fill(name);
        await field('URL').fill('ftp://example.com');
        await button('Create the channel').click();
        await page.getByText('must be an http or https URL').waitFor();
        await field('URL').fill(receiver.url(`/${name}`));
        await button('Create the channel').click();
        await closed();
      }
      const { items: channels } = await call('GET', '/api/v1/notification/channels');
      await button('Edit').first().click();
      await page.getByText(/^whsec_/).waitFor();
      await page.keyboard.press('Escape');
      await closed();
      // The receiver checks signatures by one secret.
      receiver.secret = channels[0].signingSecret;
      for (const { id, name, url } of channels)
        await call('PUT', `/api/v1/notification/channels/${id}`, {
          ...{ type: 'WEBHOOK', name, url, signingSecret: receiver.secret },
        });

      await button('Create a rule').click();
      await field('Name').fill('80 % of calls');
      await field('good').check();
      await field('bad').check();
      await field('calls').check();
      expect(await seriousFaults(page)).toEqual([]);
      await button('Create the rule').click();
      await closed();
      await page.getByText('80 % used').waitFor();

      await button('Test').click();
      await page.getByText('good: delivered').waitFor();
      await receiver.wait('/bad', 1);
      await page.getByText('bad: failed, retried later').waitFor();
      await send(100, 9);
      await receiver.wait('/good', 2, 60_000);
      const fired = receiver.received.find(({ path, body }) => path === '/good' && !body.isTest);
      expect(fired!.body.data.threshold).toMatchObject({ type: 'usage_percentage', value: 80 });
      await page.getByText('good: delivered').nth(1).waitFor();
      await button('Details').first().click();
      await page.getByText('status 500').waitFor();
      await page.getByLabel('Attempts of this delivery').getByText('no thanks').first().waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await button('Send again').click();
      await receiver.wait('/good', 3);

      const rule = page.getByRole('row', { name: '80 % used' });
      await rule.getByRole('button', { name: 'Edit' }).click();
      await button('Add a threshold').click();
      await field('Kind of threshold 2').selectOption('balance_value');
      await field('Value of threshold 2').fill('0');
      await button('Save').click();
      await closed();
      await page.getByText('80 % used, 0 left').waitFor();
    },
    testMsMax,
  );

  test(
    'a rule on the usage of a meter is created, its events are listed alone, and all is deleted again',
    async () => {
      const { page } = one;
      await button('Create a rule').click();
      await field('Name').fill('many calls');
      await field('Fires at a').selectOption('usage.threshold');
      await field('Meter').selectOption('calls');
      await field('In').selectOption('ROLLING');
      await field('Hours').fill('2');
      await field('Kind of threshold 1').selectOption('usage_value');
      await field('Value of threshold 1').fill('5');
      await field('good').check();
      await button('Create the rule').click();
      await closed();
      await page.getByText('calls by subject, rolling').waitFor();
      await send(200, 1);
      await page.getByRole('row', { name: 'many calls' }).getByText('good: delivered').waitFor();
      const { items } = await call('GET', '/api/v1/notification/rules');
      expect(items.find(({ name }: { name: string }) => name === 'many calls').usage).toEqual({
        ...{ meterSlug: 'calls', of: 'subject', period: 'ROLLING', seconds: 7_200 },
      });

      const rules = page.getByRole('row', { name: 'calls by subject, rolling' });
      await rules.getByRole('link', { name: 'Events' }).click();
      await page.getByText('1 in all').waitFor();
      await page.reload();
      await page.getByText('1 in all').waitFor();
      await button('Remove the filter on the rule').click();
      await page.getByText('4 in all').waitFor();

      await rules.getByRole('button', { name: 'Delete' }).click();
      await button('Delete the rule').click();
      await rules.waitFor({ state: 'detached' });
      const channel = page.getByRole('row', { name: receiver.url('/bad') });
      await channel.getByRole('button', { name: 'Delete' }).click();
      await button('Delete the channel').click();
      await channel.waitFor({ state: 'detached' });

      const { id } = await call('GET', '/api/v1/customers/acme');
      await go(`/customers/${id}`);
      await page.getByRole('cell', { name: '80 % of calls' }).first().waitFor();
      await button('Details').first().click();
      await page.getByLabel('Payload of the notification').waitFor();
      await page.keyboard.press('Escape');
      await closed();
      expect(await seriousFaults(page)).toEqual([]);
      await button('End').click();
      await button('End the entitlement').click();
      await page.getByText('No entitlements').waitFor();
      await button('Delete').click();
      await button('Delete the customer').click();
      await page.getByText('No customers yet').waitFor();
      expect(one.faults).toEqual([]);
    },
    testMsMax,
  );
});
