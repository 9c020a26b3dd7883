import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/** What the dashboards and alert rules ask, each with the place where it stands. */
export interface Query {
  where: string;
  text: string;
  /** Labels that its legend or its annotations name. */
  shownLabels: string[];
}

const docker = join(import.meta.dirname, '../../docker');

interface Panel {
  title: string;
  type: string;
  targets?: { expr?: string; rawSql?: string; legendFormat?: string; datasource: { type: string } }[];
}
interface Dashboard {
  title: string;
  panels: Panel[];
  templating: { list: { name: string; datasource?: { type: string }; query: unknown }[] };
}

export async function panelQueries(datasource: 'prometheus' | 'postgres' | 'loki'): Promise<Query[]> {
  const queries: Query[] = [];
  for (const { title, panels, templating } of await dashboards()) {
    for (const panel of panels) {
      for (const target of panel.targets ?? []) {
        if (target.datasource.type !== datasource) continue;
        queries.push({
          where: `${title}: ${panel.title}`,
          text: expand(target.expr ?? target.rawSql ?? ''),
          shownLabels: namesIn(target.legendFormat ?? '', /\{\{\s*(\w+)\s*\}\}/g),
        });
      }
    }
    for (const { name, datasource: of, query } of templating.list)
      if (of?.type === datasource && typeof query === 'string')
        queries.push({ where: `${title}: variable ${name}`, text: expand(query), shownLabels: [] });
  }
  return queries;
}

export interface Alert extends Query {
  name: string;
  runbook: string;
}

export async function alerts(): Promise<Alert[]> {
  const { groups } = parse(await readFile(join(docker, 'prometheus/alerts.yml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
  };
  return groups
    .flatMap(({ rules }) => rules)
    .map(({ alert, expr, annotations }) => ({
      name: alert,
      where: `alert ${alert}`,
      text: expr,
      shownLabels: namesIn(annotations.summary ?? '', /\$labels\.(\w+)/g),
      runbook: annotations.runbook ?? '',
    }));
}

async function dashboards(): Promise<Dashboard[]> {
  const folder = join(docker, 'grafana/dashboards');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  return Promise.all(files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))));
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
const inAMinute = new Date(Date.now() + 60_000).toISOString();

/** Variables first, as Grafana does it, then the macros of its PostgreSQL datasource. */
function expand(text: string): string {
  const filledIn = text
    .replace(/\$__rate_interval/g, '5m')
    .replace(/\$__interval/g, '1m')
    .replace(/\$namespace/g, 'default')
    .replace(/\$meter/g, 'tokens')
    .replace(/\$(?:project|service|level)/g, '.+')
    .replace(/\$text/g, '');
  // A macro ends at the first closing bracket, and its arguments at every comma, whatever stands between them.
  return filledIn.replace(/\$(\w+)\(([^)]*)\)/g, (_, name: string, args: string) =>
    macro(
      name,
      args.split(',').map((argument) => argument.trim()),
    ),
  );
}

/** Without `timescaledb` in the datasource a group of times is a number: seconds since 1970. */
function macro(name: string, [column = '', interval]: string[]): string {
  if (name === '__timeGroup' && interval === '1m') return `floor(extract(epoch from ${column})/60)*60`;
  if (name === '__timeFilter') return `${column} BETWEEN '${hourAgo}' AND '${inAMinute}'`;
  if (name === '__timeFrom') return `'${hourAgo}'`;
  if (name === '__timeTo') return `'${inAMinute}'`;
  throw new Error(`no macro $${name}(${column}, ${interval})`);
}
