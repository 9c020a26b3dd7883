import { issuesOf } from '@usage/lib/event/event.ts';
import type { Rule } from './mapping.ts';
import type { TelemetryRecord } from './records.ts';

/** Records that rules fit, as events, and why others can't be any. */
export interface MappedRecords {
  /** CloudEvents as JSON. */
  events: string[];
  /** Reasons, one a record. */
  rejected: string[];
}

/** The rules that a record fits. */
export function rulesFor(record: TelemetryRecord, rules: readonly Rule[]): Rule[] {
  return rules.filter((rule) => {
    if (rule.signal !== record.signal) return false;
    return rule.where.every(([source, wanted]) => {
      const found = textOf(valueAt(record, source));
      return wanted === '*' ? found !== '' : found === wanted;
    });
  });
}

/**
 * An event for each rule that the record fits, the same ones whenever it comes: ids are made of the record's identity.
 * `copy`: how many equal ones came before it in the request. Throws with the reason where one isn't valid.
 */
export function eventsOf(record: TelemetryRecord, rules: readonly Rule[], copy: number): string[] {
  return rules.map((rule) => {
    const service = textOf(record.resource.get('service.name'));
    const event = {
      specversion: '1.0',
      id: hashOf([record.signal, record.identity, rule.type, copy]),
      source: service === '' ? 'otlp' : `otlp/${service}`,
      type: rule.type,
      subject: rule.subject.map((source) => textOf(valueAt(record, source))).find((text) => text !== ''),
      ...(record.timeNs > 0n && { time: timeText(record.timeNs) }),
      data: Object.fromEntries(
        rule.data
          .map(([member, source]) => [member, valueAt(record, source)])
          .filter(([, value]) => value !== undefined),
      ),
    };
    const issue = issuesOf(event)[0];
    if (issue?.field === 'subject')
      throw new Error(`type ${rule.type}: none of ${rule.subject.join(', ')} is there as a subject`);
    if (issue) throw new Error(`type ${rule.type}: ${issue.field} ${issue.reason}`);
    return JSON.stringify(event);
  });
}

/** `resource:name`, `scope:name`, `record:value`, `=text`, else an attribute of the record. */
function valueAt(record: TelemetryRecord, source: string): unknown {
  if (source.startsWith('=')) return source.slice(1);
  const [, place, name = ''] = /^(resource|scope|record):(.*)$/s.exec(source) ?? [];
  switch (place) {
    case 'resource':
      return record.resource.get(name);
    case 'scope':
      return name === 'version' ? record.scope.version : record.scope.name;
    case 'record':
      return record.fields.get(name);
    default:
      return record.attributes.get(source);
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' || JSON.isRawJSON(value)
    ? JSON.stringify(value)
    : '';
}

/** RFC 3339 with nine digits. */
function timeText(ns: bigint): string {
  const second = new Date(Number(ns / 1_000_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${second}.${String(ns % 1_000_000_000n).padStart(9, '0')}Z`;
}

export function hashOf(value: unknown): string {
  return new Bun.CryptoHasher('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 32);
}
