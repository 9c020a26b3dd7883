import { join } from 'node:path';
import type { Page } from 'playwright-core';

const source = Bun.file(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js')).text();

/** What axe-core finds serious or critical on the page as it stands, each with the elements concerned. */
export async function seriousFaults(page: Page): Promise<string[]> {
  // Not as a script element: the page's policy allows none but its own.
  if (!(await page.evaluate<boolean>('"axe" in globalThis'))) await page.evaluate(await source);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{
          violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run({ resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)} — ${failureSummary}`),
      );
  });
}
