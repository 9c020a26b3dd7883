import { effect, signal } from '@preact/signals';

/** What this browser remembers: theme and time zone. */
export type Theme = 'system' | 'light' | 'dark';

const read = (name: string) => {
  try {
    return localStorage.getItem(`usage.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
};
const write = (name: string, value: string) => {
  try {
    localStorage.setItem(`usage.${name}`, value);
  } catch {
    // Private windows may keep nothing: the setting holds until the page is left.
  }
};

export const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
export const theme = signal<Theme>((read('theme') as Theme | undefined) ?? 'system');
export const zone = signal<string>(read('zone') ?? browserZone);

const systemDark = matchMedia('(prefers-color-scheme: dark)');
/** Moves when colours have changed, for what draws with them. */
export const isDark = signal(false);

function apply(): void {
  isDark.value = theme.value === 'dark' || (theme.value === 'system' && systemDark.matches);
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light';
}
systemDark.addEventListener('change', apply);
effect(() => {
  apply();
  write('theme', theme.value);
});
effect(() => write('zone', zone.value));

/** Names that the browser knows, for the choice of a zone. */
export function zoneNames(): string[] {
  const all = Intl.supportedValuesOf?.('timeZone') ?? [];
  return [...new Set(['UTC', browserZone, ...all])];
}
