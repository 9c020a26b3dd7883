import type { windowOf } from './usage.ts';

type Windows = ReturnType<typeof windowOf>;

const colors = ['#4f46e5', '#0e9f8e', '#e0841a', '#d43f78', '#2f86d6', '#7fa01c', '#9b51c9', '#8a93a6'];
const width = 600;
const height = 190;
const plotHeight = 160;
const labelsMax = 6;

/** A bar a day, its groups on each other; each with a title that names day, group and exact value. */
export function drawBars({ days, groups }: Windows, label: string): Element {
  const svg = node('svg', {
    viewBox: `0 0 ${width} ${height}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': label,
  });
  const most = Math.max(...days.map(({ total }) => total), Number.MIN_VALUE);
  const step = width / days.length;
  const every = Math.ceil(days.length / labelsMax);
  for (const [at, day] of days.entries()) {
    let top = plotHeight;
    for (const group of groups) {
      const part = day.parts.find((one) => one.group === group);
      if (!part || part.value <= 0) continue;
      const size = (part.value / most) * plotHeight;
      top -= size;
      const bar = node('rect', {
        x: String(at * step + step * 0.1),
        y: String(top),
        width: String(Math.min(step * 0.8, 60)),
        height: String(size),
        fill: colorOf(groups.indexOf(group)),
      });
      const title = node('title', {});
      title.textContent = `${day.name}${group && `, ${group}`}: ${part.exact}`;
      bar.append(title);
      svg.append(bar);
    }
    if (at % every === 0) {
      const text = node('text', { x: String(at * step + step * 0.1), y: String(height - 8) });
      text.textContent = day.short;
      svg.append(text);
    }
  }
  const box = document.createElement('div');
  box.append(svg, ...(groups.length > 1 ? [legendOf(groups)] : []));
  return box;
}

function legendOf(groups: string[]): HTMLElement {
  const legend = document.createElement('div');
  legend.className = 'legend';
  for (const [at, group] of groups.slice(0, colors.length).entries()) {
    const entry = document.createElement('span');
    const swatch = document.createElement('i');
    swatch.style.background = colorOf(at);
    entry.append(swatch, group || '–');
    legend.append(entry);
  }
  return legend;
}

function colorOf(at: number): string {
  return colors[Math.min(at, colors.length - 1)]!;
}

function node(name: string, attributes: Record<string, string>): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
