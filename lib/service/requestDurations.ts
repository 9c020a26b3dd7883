import type { Metric, Registry } from 'prom-client';

/** Durations of one series. */
interface Series {
  labels: Record<string, string>;
  /** One for each bucket, not added up, and one for what is longer than all of them. */
  counts: number[];
  sum: number;
  count: number;
}

const bucketsSeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const name = 'usage_http_request_duration_seconds';

/**
 * Durations of requests by method, route and class of status, as a histogram in the registry. An observation is one
 * map look-up and three additions; prom-client's own histogram takes 0.34 µs (it hashes the labels every time).
 */
export class RequestDurations {
  readonly #series = new Map<string, Series>();

  constructor(registry: Registry) {
    const metric = { name, get: async () => this.#exposed() };
    registry.registerMetric(metric as unknown as Metric);
  }

  observe(method: string, route: string | undefined, status: number, seconds: number): void {
    const statusClass = (status / 100) | 0;
    const knownMethod = knownMethods.has(method) ? method : 'other';
    const key = `${knownMethod} ${route} ${statusClass}`;
    let series = this.#series.get(key);
    if (!series) {
      series = newSeries(knownMethod, route || 'unmatched', statusClass);
      this.#series.set(key, series);
    }
    let bucket = 0;
    while (seconds > bucketsSeconds[bucket]!) bucket++;
    series.counts[bucket]!++;
    series.sum += seconds;
    series.count++;
  }

  #exposed() {
    const values = [...this.#series.values()].flatMap(({ labels, counts, sum, count }) => {
      let upTo = 0;
      const buckets = bucketsSeconds.map((le, n) => {
        upTo += counts[n]!;
        return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: upTo };
      });
      return [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
    return {
      name,
      help: 'Time from the request line to the answer',
      type: 'histogram',
      values,
      aggregator: 'sum',
    };
  }
}

/** Methods that clients make up become no series of their own. */
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function newSeries(method: string, route: string, statusClass: number): Series {
  return {
    labels: { method, route, status_class: `${statusClass}xx` },
    counts: new Array(bucketsSeconds.length + 1).fill(0),
    sum: 0,
    count: 0,
  };
}
