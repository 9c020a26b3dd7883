import { parseTimeUs, timeIssue } from './time.ts';

/**
 * CloudEvents 1.0 (JSON format) as OpenMeter takes them: `subject` is required, `data` is an object, null or absent.
 * Optional attributes may be null. Attributes beyond the named ones are extensions.
 */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject: string;
  time?: string | null;
  data?: Record<string, unknown> | null;
  datacontenttype?: string | null;
  dataschema?: string | null;
  [extension: string]: unknown;
}

export interface EventIssue {
  /** The attribute; empty when the event as a whole is wrong. */
  field: string;
  reason: string;
}

/** With the namespace, id and source make a key of the unique index; PostgreSQL takes 2,704 bytes a key. */
export const attributeBytesMax = 1_024;
const extensionsMax = 64;
const extensionNameCharsMax = 64;
/** Deeper JSON is refused here, long before the recursion of PostgreSQL's parser or ours comes to an end. */
const dataDepthMax = 64;

const noIssues: readonly EventIssue[] = Object.freeze([]);

/** Every issue of a parsed event; empty when it is valid, and nothing is allocated then. */
export function issuesOf(value: unknown): readonly EventIssue[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ field: '', reason: `expected a CloudEvent (a JSON object), got ${kindOf(value)}` }];
  }
  const event = value as Record<string, unknown>;
  const valid =
    event.specversion === '1.0' &&
    isText(event.id) &&
    isText(event.source) &&
    isText(event.type) &&
    isText(event.subject) &&
    isTime(event.time) &&
    isData(event.data) &&
    areOtherAttributesValid(event);
  return valid ? noIssues : listIssues(event);
}

/** Has a column of its own. With a Set instead of the switch a whole validation takes 0.17 µs, not 0.13. */
function isNamed(name: string): boolean {
  switch (name) {
    case 'specversion':
    case 'id':
    case 'source':
    case 'type':
    case 'subject':
    case 'time':
    case 'data':
      return true;
    default:
      return false;
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && fitsAttribute(value) && isStorable(value);
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || value === null || isText(value);
}

function isTime(value: unknown): boolean {
  return (
    value === undefined || value === null || (typeof value === 'string' && parseTimeUs(value) !== undefined)
  );
}

function isData(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && !Array.isArray(value) && isWithinDepth(value, dataDepthMax);
}

function areOtherAttributesValid(event: Record<string, unknown>): boolean {
  let extensions = 0;
  for (const name in event) {
    if (isNamed(name)) continue;
    if (name === 'datacontenttype') {
      if (!isJsonType(event.datacontenttype)) return false;
    } else if (name === 'dataschema') {
      if (!isOptionalText(event.dataschema)) return false;
    } else if (++extensions > extensionsMax || !isExtension(name, event[name])) {
      return false;
    }
  }
  return true;
}

function isExtension(name: string, value: unknown): boolean {
  return isExtensionName(name) && isExtensionValue(value);
}

function isExtensionName(name: string): boolean {
  return name.length <= extensionNameCharsMax && name !== 'data_base64' && /^[a-z0-9]+$/.test(name);
}

function isExtensionValue(value: unknown): boolean {
  if (typeof value === 'string') return fitsAttribute(value) && isStorable(value);
  return value === null || typeof value === 'boolean' || Number.isFinite(value);
}

/** JSON by media type: application/json, text/json or any …+json, with or without parameters. */
function isJsonType(value: unknown): boolean {
  if (value === undefined || value === null || value === 'application/json') return true;
  return isText(value) && /^[\w.!#$&^+-]+\/(?:[\w.!#$&^+-]+\+)?json[ \t]*(?:;|$)/i.test(value as string);
}

function fitsAttribute(text: string): boolean {
  return text.length * 3 <= attributeBytesMax || Buffer.byteLength(text) <= attributeBytesMax;
}

/** PostgreSQL stores neither NUL nor half of a surrogate pair. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function isWithinDepth(value: object, depthLeft: number): boolean {
  if (depthLeft === 0) return false;
  for (const key in value) {
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === 'object' && item !== null && !isWithinDepth(item, depthLeft - 1)) return false;
  }
  return true;
}

function listIssues(event: Record<string, unknown>): EventIssue[] {
  const issues: EventIssue[] = [];
  const add = (field: string, reason: string | undefined) => {
    if (reason !== undefined) issues.push({ field, reason });
  };
  add(
    'specversion',
    event.specversion === '1.0' ? undefined : `expected "1.0", got ${shown(event.specversion)}`,
  );
  for (const field of ['id', 'source', 'type', 'subject']) add(field, textIssue(event[field]));
  add(
    'time',
    optionalIssue(event.time, (time) => (typeof time === 'string' ? timeIssue(time) : notText(time))),
  );
  add('data', optionalIssue(event.data, dataIssue));
  add(
    'datacontenttype',
    isJsonType(event.datacontenttype) ? undefined : 'only JSON is taken, such as application/json',
  );
  add('dataschema', optionalIssue(event.dataschema, textIssue));
  let extensions = 0;
  for (const name in event) {
    if (isNamed(name) || name === 'datacontenttype' || name === 'dataschema') continue;
    extensions++;
    if (extensions <= extensionsMax) add(shortened(name), extensionIssue(name, event[name]));
  }
  if (extensions > extensionsMax) add('', `more than ${extensionsMax} extension attributes (${extensions})`);
  return issues;
}

function optionalIssue(value: unknown, issueOf: (value: unknown) => string | undefined): string | undefined {
  return value === undefined || value === null ? undefined : issueOf(value);
}

function textIssue(value: unknown): string | undefined {
  if (value === undefined || value === null) return 'is required';
  if (typeof value !== 'string') return notText(value);
  if (value === '') return 'must not be empty';
  if (!fitsAttribute(value)) return `longer than ${attributeBytesMax} bytes`;
  return isStorable(value) ? undefined : 'holds a NUL character or half of a surrogate pair';
}

function dataIssue(value: unknown): string | undefined {
  if (typeof value !== 'object' || Array.isArray(value))
    return `expected an object or null, got ${kindOf(value)}`;
  return isWithinDepth(value as object, dataDepthMax)
    ? undefined
    : `nested deeper than ${dataDepthMax} levels`;
}

function extensionIssue(name: string, value: unknown): string | undefined {
  if (name === 'data_base64') return 'binary data is not taken: send a JSON object as data';
  if (!isExtensionName(name)) {
    return `attribute names are made of a-z and 0-9, at most ${extensionNameCharsMax} of them; does it belong into data?`;
  }
  if (isExtensionValue(value)) return undefined;
  if (typeof value !== 'string') return `expected a string, number or boolean, got ${kindOf(value)}`;
  return textIssue(value);
}

const notText = (value: unknown) => `expected a string, got ${kindOf(value)}`;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'string' || typeof value === 'number'
    ? shortened(JSON.stringify(value))
    : kindOf(value);
}

function shortened(text: string): string {
  return text.length > 64 ? `${text.slice(0, 63)}…`.toWellFormed() : text;
}
