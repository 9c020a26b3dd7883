export type Figure = number | string | boolean | null | { [name: string]: Figure };
export type Figures = Record<string, Figure>;

/** One line of the table and one element of the JSON. */
export interface Outcome {
  name: string;
  /** To the scenario's ceiling, where it has one. */
  ratio?: number;
  figures: Figures;
  /** A table of its own for documents, below the figures. */
  markdown?: string;
}

export type Progress = (line: string) => void;

const progressEveryMs = 2_000;

/** A line for people now and then, on stderr: stdout is for the table. */
export function progressOf(scenario: string): Progress {
  const startedMs = performance.now();
  let lastMs = Number.NEGATIVE_INFINITY;
  return (line) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < progressEveryMs) return;
    lastMs = nowMs;
    console.error(
      `${scenario.padEnd(11)} ${String(Math.round((nowMs - startedMs) / 1_000)).padStart(4)} s  ${line}`,
    );
  };
}

/** Of each scenario the outcome with the median ratio (the first one where it has none), with the ratios of all of them. */
export function medians(outcomes: readonly Outcome[]): Outcome[] {
  return [...new Set(outcomes.map(({ name }) => name))].map((name) => {
    const rounds = outcomes.filter((outcome) => outcome.name === name);
    const ordered = rounds.toSorted((a, b) => (a.ratio ?? 0) - (b.ratio ?? 0));
    const median = ordered[(ordered.length - 1) >> 1]!;
    if (rounds.length === 1 || median.ratio === undefined) return median;
    const ratios = rounds.map(({ ratio }) => ratio).join(', ');
    return { ...median, figures: { ...median.figures, ratios } };
  });
}

export function table(outcomes: readonly Outcome[]): string {
  return outcomes.map(section).join('\n');
}

function section({ name, ratio, figures, markdown }: Outcome): string {
  const rows = Object.entries(figures).map(([figure, value]) => `  ${figure.padEnd(26)} ${shown(value)}`);
  const title = ratio === undefined ? name : `${name}: ${ratio.toFixed(2)} of what it is measured by`;
  return `\n${title}\n${rows.join('\n')}${markdown === undefined ? '' : `\n\n${markdown}`}`;
}

function shown(value: Figure): string {
  if (typeof value === 'number') return grouped(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${shown(inner)}`)
    .join(' · ');
}

export function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}
