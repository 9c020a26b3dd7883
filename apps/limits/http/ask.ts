import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Actor } from '@usage/db/limits/audit.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import { type Issue, invalid } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { notKnown } from '@usage/lib/validation/issuesOf.ts';
import { textIssue } from '@usage/lib/validation/text.ts';

/** A request whose key was looked at, and what handlers need of it. */
export interface Ask {
  request: Request;
  params: Record<string, string>;
  namespace: string;
  actor: Actor;
}

const bodyBytesMax = 1_048_576;
const issuesMax = 50;
const textLengthMax = 65_536;

export function askOf(
  request: Request,
  params: Record<string, string | null> | undefined,
  identity: Identity,
  requestId: string,
): Ask {
  const { namespace, key } = identity;
  const name = key ? `key:${key.id}` : 'operator';
  const readable = Object.entries(params ?? {}).map(([field, value]) => [
    field,
    value === null || value.includes('\0') ? '' : value,
  ]);
  return {
    request,
    params: Object.fromEntries(readable),
    namespace,
    actor: { namespace, name, requestId },
  };
}

/** The request's JSON, valid by the schema. Problems: 400 with every issue and its place, 413, 415. */
export async function bodyOf<T extends TSchema>(
  { request }: Ask,
  schema: T,
  what: string,
): Promise<Static<T>> {
  return checked(await readJson(request, bodyBytesMax), schema, what);
}

/** As bodyOf; an empty body stands for {}. */
export async function optionalBodyOf<T extends TSchema>(
  ask: Ask,
  schema: T,
  what: string,
): Promise<Static<T>> {
  const { headers } = ask.request;
  const empty =
    ask.request.body === null || (headers.get('content-length') === '0' && !headers.has('transfer-encoding'));
  return empty ? checked({}, schema, what) : bodyOf(ask, schema, what);
}

export function checked<T extends TSchema>(value: unknown, schema: T, what: string): Static<T> {
  const issues = unstorable(value, '');
  if (!Value.Check(schema, value)) issues.push(...schemaIssues(schema, value));
  if (issues.length > 0) throw invalid(what, issues.slice(0, issuesMax));
  return value as Static<T>;
}

function schemaIssues(schema: TSchema, value: unknown): Issue[] {
  const issues = new Map<string, Issue>();
  for (const error of Value.Errors(schema, value)) {
    const field = fieldOf(error.path);
    // A union's own error says least: what its member for other values than null lacks says more.
    const nested = error.errors
      .flatMap((errors) => [...errors])
      .filter((one) => one.message !== 'Expected null' && !('const' in one.schema));
    for (const one of nested.length > 0 ? nested : [error]) {
      const place = nested.length > 0 ? fieldOf(one.path) : field;
      if (!issues.has(place)) issues.set(place, { field: place, reason: reasonOf(one) });
    }
    if (issues.size >= issuesMax) break;
  }
  return [...issues.values()];
}

function reasonOf({ message, schema, path }: { message: string; schema: TSchema; path: string }): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (schema.anyOf?.every((one: TSchema) => 'const' in one))
    return `must be one of ${schema.anyOf.map((one: TSchema) => one.const).join(', ')}`;
  if (message === 'Unexpected property')
    return notKnown(name, Object.keys(schema.properties ?? {}), 'is not a field that can be set');
  if (message === 'Expected required property') return 'is required';
  return `is not valid: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** /usageAttribution/subjectKeys/0 → usageAttribution.subjectKeys[0] */
function fieldOf(path: string): string {
  return path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~').slice(0, 64))
    .reduce(
      (field, part) => (/^\d+$/.test(part) ? `${field}[${part}]` : field ? `${field}.${part}` : part),
      '',
    );
}

/** Texts that PostgreSQL can't hold. */
function unstorable(value: unknown, field: string): Issue[] {
  if (typeof value === 'string') {
    const reason = textIssue(value, { min: 0, max: textLengthMax });
    return reason ? [{ field, reason }] : [];
  }
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const place = Array.isArray(value) ? `${field}[${name}]` : field ? `${field}.${name}` : name;
    const own = textIssue(name, { min: 0, max: textLengthMax });
    return [
      ...(own ? [{ field: field || 'body', reason: `a name ${own}` }] : []),
      ...unstorable(member, place),
    ];
  });
}

export interface Page {
  page: number;
  pageSize: number;
}

export function pageAnswer<T>({ page, pageSize }: Page, total: number, items: readonly T[]) {
  return { totalCount: total, page, pageSize, items };
}
