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

const fillMsMax = 2_000;
/** For the choice of a zone: all that the browser knows, once the page is drawn. They are 400: drawing them takes its time. */
export const zoneNames = signal<string[]>([...new Set(['UTC', browserZone])]);

const whenIdle = globalThis.requestIdleCallback ?? ((fill: () => void) => setTimeout(fill, fillMsMax));
whenIdle(
  () => {
    const all = Intl.supportedValuesOf?.('timeZone') ?? [];
    zoneNames.value = [...new Set([...zoneNames.value, ...all])];
  },
  { timeout: fillMsMax },
);
