import { join } from 'node:path';
import type { Setting } from '../lib/service/config.ts';
import { services, settingsByReader } from './services.ts';

/**
 * `bun scripts/settingsTable.ts` writes the table of docs/settings.md from the apps' own definitions;
 * tests/tidy.test.ts fails while the two differ.
 */
const page = join(import.meta.dirname, '../docs/settings.md');
const begin = '<!-- settings: written by scripts/settingsTable.ts -->';
const end = '<!-- /settings -->';

export function settingsTable(): string {
  const readers = new Map<string, { setting: Setting<unknown>; apps: string[] }>();
  for (const { name, settings } of settingsByReader) {
    for (const setting of Object.values(settings)) {
      const known = readers.get(setting.name);
      if (known && (known.setting.fallback !== setting.fallback || known.setting.about !== setting.about)) {
        throw new Error(`${setting.name} is defined twice, with different defaults or meanings`);
      }
      if (known) known.apps.push(name);
      else readers.set(setting.name, { setting, apps: [name] });
    }
  }
  const rows = [...readers.values()].map(({ setting, apps }) => {
    const fallback =
      setting.fallback === undefined ? 'required' : setting.fallback && `\`${setting.fallback}\``;
    const who = apps.length >= services.length ? 'all' : apps.join(', ');
    return `| \`${setting.name}\` | ${fallback} | ${setting.about} | ${who} |`;
  });
  return ['| variable | default | what it is | read by |', '|---|---|---|---|', ...rows].join('\n');
}

/** The page with the table as it should be. */
export async function pageWithTable(): Promise<{ present: string; wanted: string }> {
  const present = await Bun.file(page).text();
  const from = present.indexOf(begin);
  const to = present.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`docs/settings.md has no place for the table: ${begin} … ${end}`);
  const wanted = `${present.slice(0, from)}${begin}\n${settingsTable()}\n${present.slice(to)}`;
  return { present, wanted };
}

if (import.meta.main) await Bun.write(page, (await pageWithTable()).wanted);
