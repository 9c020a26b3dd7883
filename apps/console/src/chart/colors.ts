/** Colours of series: few that differ clearly in light and dark, and the last for all others. */
export const seriesColorsMax = 10;

export function seriesColor(at: number): string {
  return `var(--series-${(at % seriesColorsMax) + 1})`;
}

/** What a custom property holds now: canvas knows no var(). */
export function resolved(color: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(color)?.[1];
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() : color;
}
