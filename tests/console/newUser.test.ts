import { afterAll, beforeAll, expect, test } from 'bun:test';
import { seriousFaults } from './accessibility.ts';
import { type ConsoleUnderTest, describeInBrowser, startConsole, startMsMax } from './browser.ts';

/** What is promised to somebody who starts with nothing: a chart in under two minutes, without curl. */
const pathMsMax = 120_000;

describeInBrowser('a new user', () => {
  let console_: ConsoleUnderTest;
  beforeAll(async () => {
    console_ = await startConsole();
  }, startMsMax);
  afterAll(() => console_?.stop(), startMsMax);

  test(
    'comes from the first event, sent from the page, to a meter made from it and its chart',
    async () => {
      const startedMs = performance.now();
      const { page, faults, context } = await console_.open('/');
      expect(page.url()).toEndWith('/console');
      await page.getByText('waiting for the first event').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      const curl = await page.getByLabel('curl that sends an event').textContent();
      expect(curl).toContain(`${console_.apps.url}/api/v1/events`);

      await page.getByRole('link', { name: 'Send one from this page' }).click();
      await page.getByLabel('Data (JSON)').fill('{"tokens": 1432.5, "model": "large"}');
      await page.getByRole('button', { name: 'Send the event' }).click();
      await page.getByText('The event is stored').waitFor();
      expect(await seriousFaults(page)).toEqual([]);

      await page.getByRole('link', { name: 'Create a meter for it' }).click();
      await page.getByRole('button', { name: 'Use $.tokens as value' }).click();
      await page.getByRole('button', { name: 'Group by $.model' }).click();
      await page.getByTestId('preview-summary').getByText('1 would count').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('button', { name: 'Create the meter' }).click();

      await page.getByRole('heading', { name: 'prompt_tokens' }).waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('link', { name: 'Explore', exact: true }).last().click();
      await page.getByTestId('total').getByText('1,432.5').waitFor();
      await page.getByRole('table', { name: 'Usage by window' }).getByText('1,432.5').waitFor();
      await page.locator('.chart canvas').waitFor();

      await page.getByRole('link', { name: 'Home' }).click();
      await page.getByTestId('first-event').waitFor({ state: 'hidden' });
      expect(faults).toEqual([]);
      expect(performance.now() - startedMs).toBeLessThan(pathMsMax);
      await context.close();
    },
    pathMsMax,
  );

  test('Home notices an event that comes by itself', async () => {
    const { page, context } = await console_.open('/console');
    await page.getByRole('link', { name: 'billing_demo' }).waitFor({ state: 'detached' });
    const event = {
      specversion: '1.0',
      id: 'by-curl',
      source: 'curl',
      type: 'billing_demo',
      subject: 'somebody',
    };
    await fetch(`${console_.apps.url}/api/v1/events`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    });
    await page.getByRole('link', { name: 'billing_demo' }).waitFor();
    await context.close();
  });
});
