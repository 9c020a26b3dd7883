import type { Sql } from '@usage/db/connection/connect.ts';
import { getMeter, metersPerNamespaceMax } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { createMeter, type MeterChanges, sameGroupBy, updateMeter } from '@usage/db/meters/meters.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type MeterDefinition, readMeterDefinition } from '@usage/lib/meter/definition.ts';
import { ConfigError } from '@usage/lib/service/config.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { type Declaration, readDeclarations } from './yaml.ts';

const metersFileBytesMax = 4 * 1024 * 1024;

export interface AppliedMeters {
  created: string[];
  updated: string[];
  unchanged: string[];
}

interface Declared {
  declaration: Declaration;
  meter: MeterDefinition;
}

/**
 * Makes the namespace's meters what a YAML file declares: a list of meters with the fields of POST /api/v1/meters.
 * What is missing is created; name, description, metadata and groupBy are changed where they differ; meters that the
 * file doesn't name stay. May run at any time, from several gateways at once, any number of times.
 *
 * Throws one ConfigError with every issue and its line, among them a change of what a meter can't change; nothing is
 * applied then.
 */
export async function applyMetersFile(
  path: string,
  sql: Sql,
  namespace: string,
  log: Logger,
): Promise<AppliedMeters> {
  const declared = readMeters(path, await readFile(path));
  const stored = new Map<string, StoredMeter>();
  for (const { meter } of declared) {
    const existing = await getMeter(sql, namespace, meter.slug);
    if (existing) stored.set(meter.slug, existing);
  }
  refuseFixedChanges(path, declared, stored);

  const applied: AppliedMeters = { created: [], updated: [], unchanged: [] };
  for (const entry of declared) {
    const outcome = await applyMeter(path, sql, namespace, entry, stored.get(entry.meter.slug));
    applied[outcome].push(entry.meter.slug);
  }
  log.info({ path, namespace, ...applied }, 'meters file applied');
  return applied;
}

async function readFile(path: string): Promise<string> {
  const file = Bun.file(path);
  if (!(await file.exists())) throw new ConfigError([`METERS_FILE=${path}: there is no such file`]);
  if (file.size > metersFileBytesMax) {
    throw new ConfigError([`METERS_FILE=${path}: the file is longer than ${metersFileBytesMax} bytes`]);
  }
  try {
    return await file.text();
  } catch (error) {
    throw new ConfigError([`METERS_FILE=${path}: can't be read: ${(error as Error).message}`]);
  }
}

function readMeters(path: string, text: string): Declared[] {
  const { declarations, issues } = readDeclarations(text);
  const report = issues.map(({ line, reason }) => `${path}:${line}: ${reason}`);
  if (declarations.length > metersPerNamespaceMax) {
    report.push(`${path}: declares more than ${metersPerNamespaceMax} meters, the most a namespace can have`);
  }
  const lineBySlug = new Map<string, number>();
  const declared: Declared[] = [];
  for (const declaration of declarations) {
    const read = readMeterDefinition(declaration.value);
    if ('issues' in read) {
      for (const { field, reason } of read.issues) {
        report.push(`${place(path, declaration, field)}${field ? `${field} ` : ''}${reason}`);
      }
      continue;
    }
    const { slug } = read.value;
    const first = lineBySlug.get(slug);
    if (first !== undefined) {
      report.push(`${place(path, declaration, 'slug')}slug is declared in line ${first} already`);
    }
    lineBySlug.set(slug, first ?? declaration.lineOf('slug'));
    declared.push({ declaration, meter: read.value });
  }
  if (report.length > 0) throw new ConfigError(report);
  return declared;
}

function refuseFixedChanges(path: string, declared: Declared[], stored: Map<string, StoredMeter>): void {
  const report = declared.flatMap((entry) => {
    const existing = stored.get(entry.meter.slug);
    return existing ? fixedChanges(path, entry, existing) : [];
  });
  if (report.length > 0) throw new ConfigError(report);
}

/** One line for each field that differs from the stored meter and can't be changed. */
function fixedChanges(path: string, { declaration, meter }: Declared, existing: StoredMeter): string[] {
  const fixed: [string, string | undefined, string | undefined][] = [
    ['eventType', meter.eventType, existing.eventType],
    ['aggregation', meter.aggregation, existing.aggregation],
    ['valueProperty', meter.valueProperty, existing.valueProperty],
    ['valueExpression', meter.valueExpression, existing.valueExpression],
    ['timeUnit', meter.timeUnit, existing.timeUnit],
    ['filters', canonical(meter.filters), canonical(existing.filters)],
    ['eventFrom', timeText(meter.eventFromUs), timeText(existing.eventFromUs)],
  ];
  return fixed
    .filter(([, declaredValue, storedValue]) => declaredValue !== storedValue)
    .map(
      ([field, declaredValue, storedValue]) =>
        `${place(path, declaration, field)}${field} is ${declaredValue ?? 'not set'} here, but the stored meter has ${storedValue ?? 'none'}; it can't be changed: take another slug, or delete the stored meter first`,
    );
}

/** A text that is equal for equal filters, whatever the order of their names. */
function canonical(filters: Record<string, unknown> | undefined): string | undefined {
  return filters && JSON.stringify(Object.entries(filters).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function applyMeter(
  path: string,
  sql: Sql,
  namespace: string,
  entry: Declared,
  known: StoredMeter | undefined,
): Promise<keyof AppliedMeters> {
  const { meter, declaration } = entry;
  let existing = known;
  if (!existing) {
    const outcome = await createMeter(sql, namespace, meter);
    if ('meter' in outcome) return 'created';
    if (outcome.refused === 'limit') {
      throw new ConfigError([
        `${place(path, declaration, '')}the namespace has ${metersPerNamespaceMax} meters already, the most it can have`,
      ]);
    }
    // Another gateway was faster.
    existing = await getMeter(sql, namespace, meter.slug);
    if (!existing) throw new Error(`Meter ${meter.slug} was made and deleted by others at this moment`);
    refuseFixedChanges(path, [entry], new Map([[meter.slug, existing]]));
  }
  const changes = changesTo(existing, meter);
  if (!changes) return 'unchanged';
  if (!(await updateMeter(sql, namespace, existing.id, changes))) {
    throw new Error(`Meter ${meter.slug} was deleted by others at this moment`);
  }
  return 'updated';
}

/** What has to change for the stored meter to be as declared; undefined where nothing has. */
function changesTo(existing: StoredMeter, meter: MeterDefinition): MeterChanges | undefined {
  const changes: MeterChanges = {};
  if (meter.name !== existing.name) changes.name = meter.name;
  if (meter.description !== existing.description) changes.description = meter.description ?? null;
  if (!sameMetadata(meter.metadata, existing.metadata)) changes.metadata = meter.metadata ?? null;
  if (!sameGroupBy(existing.groupBy, meter.groupBy)) changes.groupBy = meter.groupBy;
  return Object.keys(changes).length > 0 ? changes : undefined;
}

function sameMetadata(a: Record<string, string> | undefined, b: Record<string, string> | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameGroupBy(a, b);
}

function place(path: string, declaration: Declaration, field: string): string {
  const [name = ''] = field.split('.', 1);
  return `${path}:${declaration.lineOf(name)}: ${declaration.name}: `;
}

function timeText(us: number | undefined): string | undefined {
  return us === undefined ? undefined : formatTimeUs(us);
}
