/** Label names by the names of the samples that Prometheus would read, `…_bucket` and the like included. */
export type ExposedMetrics = Map<string, Set<string>>;

/** What Prometheus adds to every sample, and series of its own. */
export const targetLabels = ['job', 'instance'];
export const prometheusOwn: ExposedMetrics = new Map([
  ['up', new Set<string>()],
  ['ALERTS', new Set(['alertname', 'alertstate', 'severity'])],
]);

export async function scrape(urls: readonly string[]): Promise<ExposedMetrics> {
  const exposed: ExposedMetrics = new Map();
  for (const url of urls) namesAndLabels(await (await fetch(`${url}/metrics`)).text(), exposed);
  return exposed;
}

/** Adds what a text in Prometheus' format exposes. */
export function namesAndLabels(text: string, exposed: ExposedMetrics): void {
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-z_]\w*)(\{.*\})? /i.exec(line) ?? [];
    if (name === undefined) continue;
    const known = exposed.get(name) ?? new Set<string>();
    for (const [, label] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) known.add(label!);
    exposed.set(name, known);
  }
}
