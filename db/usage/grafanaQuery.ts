/**
 * SQL for a Grafana panel over the rollups: for people who copy it, the apps never run it. It holds what is merged (some
 * seconds behind), by whole hours.
 */
export interface GrafanaQuery {
  namespace: string;
  slug: string;
  aggregation: string;
  /** As the API names it: MINUTE, PT5M, HOUR, DAY, WEEK, … */
  window: string;
  zone: string;
  /** Group-by names of the meter in the order in which series hold their values: sorted. */
  meterGroups: readonly string[];
  groupBy: readonly string[];
  subjects: readonly string[];
  filters: Readonly<Record<string, readonly string[]>>;
}

export function grafanaQuery(query: GrafanaQuery): string {
  if (['PERCENTILE', 'WEIGHTED_SUM', 'WEIGHTED_LATEST'].includes(query.aggregation))
    return `-- A ${query.aggregation} is worked out by the API, not in SQL.`;
  const { window, zone, groupBy, aggregation } = query;
  const unique = aggregation === 'UNIQUE_COUNT';
  const part = /^PT(\d+)([MH])$/.exec(window);
  const isFine = window === 'MINUTE' || part?.[2] === 'M';
  const rows = `${unique ? 'unique' : 'rollup'}_${isFine ? 'minutes' : 'hours'}`;
  const local = `r.start AT TIME ZONE ${literal(zone)}`;
  const begin = part
    ? `date_bin('${part[1]} ${part[2] === 'M' ? 'minutes' : 'hours'}', ${local}, '2000-01-01')`
    : `date_trunc('${window.toLowerCase()}', ${local})`;
  const time = `${begin} AT TIME ZONE ${literal(zone)} AS time`;
  const groups = groupBy.map((name) => `${columnOf(query, name)} AS ${identifier(name)}`);
  const bySubject = groupBy.includes('subject') || query.subjects.length > 0;
  const conditions = [
    `m.namespace = ${literal(query.namespace)} AND m.slug = ${literal(query.slug)} AND m.deleted_at IS NULL`,
    bySubject ? "s.subject <> ''" : "s.subject = ''",
    ...(query.subjects.length > 0 ? [`s.subject IN (${query.subjects.map(literal).join(', ')})`] : []),
    ...Object.entries(query.filters).map(
      ([name, values]) => `${columnOf(query, name)} IN (${values.map(literal).join(', ')})`,
    ),
    '$__timeFilter(r.start)',
  ];
  const places = [1, ...groups.map((_, at) => at + 2)].join(', ');
  return `SELECT ${[time, ...groups, `${aggregateOf(aggregation)} AS value`].join(',\n       ')}
FROM ${rows} r JOIN series s ON s.id = r.series_id JOIN meters m ON m.build = s.build
WHERE ${conditions.join('\n  AND ')}
GROUP BY ${places} ORDER BY 1`;
}

function aggregateOf(aggregation: string): string {
  switch (aggregation) {
    case 'COUNT':
      return 'sum(r.count)';
    case 'AVG':
      return 'sum(r.value) / sum(r.count)';
    case 'MIN':
      return 'min(r.value)';
    case 'MAX':
      return 'max(r.value)';
    case 'LATEST':
      return '(array_agg(r.value ORDER BY r.last_at DESC))[1]';
    case 'UNIQUE_COUNT':
      return 'count(DISTINCT r.value)';
    default:
      return 'sum(r.value)';
  }
}

function columnOf({ meterGroups }: GrafanaQuery, name: string): string {
  return name === 'subject' ? 's.subject' : `s.group_values[${meterGroups.indexOf(name) + 1}]`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
