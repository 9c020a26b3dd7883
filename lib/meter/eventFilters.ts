import { passes, readTextFilter, type TextFilter } from '../filter/textFilter.ts';
import { parseJson } from '../json/parse.ts';
import { compilePath, firstMember } from './path.ts';
import { scalarText } from './scalar.ts';

/**
 * Which events of its type a meter takes: by JSONPath into data, or by the name of an attribute, a filter that its text must
 * pass, such as {"$.status": {"$eq": "ok"}, "source": {"$like": "eu-%"}}. All of them must pass. What an event lacks, or
 * what is no scalar, is the text "".
 */
export type EventFilters = Record<string, unknown>;

/** What filters can ask of an event beside its data. */
export interface EventAttributes {
  id: string;
  source: string;
  subject: string;
  /** JSON text of the attributes that CloudEvents does not name; null where there are none. */
  attributes: string | null;
}

export interface CompiledFilters {
  /** The members of data that decide; undefined where it may be any part of it. */
  members: readonly string[] | undefined;
  readsAttributes: boolean;
  takes(data: unknown, event: EventAttributes): boolean;
}

export const eventFiltersMax = 16;
const attributePattern = /^[a-z0-9]{1,64}$/;
const knownAttributes = ['id', 'source', 'subject'] as const;
/** Decided by the meter's other fields, or the same for every event. */
const otherFields: Readonly<Record<string, string>> = {
  type: 'the meter takes one type, its eventType',
  time: 'a query has from and to, and a meter eventFrom',
  specversion: 'it is the same for every event',
  data: 'name a value in it by its JSONPath, like $.status',
};

/** Throws an Error that says what is wrong with the filter under that name. */
export function compileEventFilter(name: string, json: unknown): TextFilter {
  if (name.startsWith('$')) compilePath(name);
  else if (Object.hasOwn(otherFields, name)) throw new Error(`can't be filtered by: ${otherFields[name]}`);
  else if (!attributePattern.test(name))
    throw new Error("is neither a JSONPath, like $.status, nor an attribute's name");
  const filter = readTextFilter(json);
  if (!filter) throw new Error('is an empty filter: expected an object such as {"$eq": "a"}');
  return filter;
}

/** Throws an Error where compileEventFilter does; stored filters have been checked. */
export function compileEventFilters(filters: EventFilters): CompiledFilters {
  const entries = Object.entries(filters).map(([name, json]) => ({
    name,
    filter: compileEventFilter(name, json),
  }));
  const ofData = entries
    .filter(({ name }) => name.startsWith('$'))
    .map(({ name, filter }) => ({ first: firstMember(name), lookup: compilePath(name), filter }));
  const ofAttributes = entries.filter(({ name }) => !name.startsWith('$'));
  const members = ofData.map(({ first }) => first).filter((first) => first !== undefined);
  return {
    members: members.length === ofData.length ? members : undefined,
    readsAttributes: ofAttributes.length > 0,
    takes: (data, event) =>
      ofData.every(({ lookup, filter }) => passes(filter, scalarText(lookup(data)) ?? '')) &&
      (ofAttributes.length === 0 || passesAll(ofAttributes, event)),
  };
}

function passesAll(
  filters: readonly { name: string; filter: TextFilter }[],
  event: EventAttributes,
): boolean {
  const extensions =
    event.attributes === null ? {} : (parseJson(event.attributes) as Record<string, unknown>);
  return filters.every(({ name, filter }) => {
    const known = knownAttributes.find((one) => one === name);
    const value = known ? event[known] : Object.hasOwn(extensions, name) ? extensions[name] : undefined;
    return passes(filter, scalarText(value) ?? '');
  });
}
