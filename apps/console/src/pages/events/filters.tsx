import { useState } from 'preact/hooks';
import type { UrlState } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import { SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';

/** What the list is narrowed to; each part lives in the URL. */
export interface EventFilter {
  type?: string | undefined;
  subject?: string | undefined;
  source?: string | undefined;
  id?: string | undefined;
  /** Times of the event, RFC 3339. */
  from?: string | undefined;
  to?: string | undefined;
  show: 'all' | 'faulty' | 'counted';
}

const texts = ['type', 'subject', 'source', 'id'] as const;
const shows = [
  { value: 'all', label: 'All events' },
  { value: 'faulty', label: 'With a validation error' },
  { value: 'counted', label: 'Without one' },
] as const;

export function filterIn(url: UrlState): EventFilter {
  const show = shows.find(({ value }) => value === url.get('show'))?.value ?? 'all';
  return {
    type: url.get('type'),
    subject: url.get('subject'),
    source: url.get('source'),
    id: url.get('id'),
    from: url.get('from'),
    to: url.get('to'),
    show,
  };
}

/** The API's filter, as JSON; texts match as parts of theirs. undefined = everything. */
export function apiFilter(filter: EventFilter): string | undefined {
  const all: Record<string, unknown> = {};
  for (const name of texts) {
    const text = filter[name];
    if (text) all[name] = { $ilike: `%${text.replace(/[\\%_]/g, '\\$&')}%` };
  }
  const bounds = [filter.from && { $gte: filter.from }, filter.to && { $lt: filter.to }].filter(Boolean);
  if (bounds.length > 0) all.time = bounds.length === 1 ? bounds[0] : { $and: bounds };
  return Object.keys(all).length > 0 ? JSON.stringify(all) : undefined;
}

export function FilterBar({
  filter,
  onChange,
}: {
  filter: EventFilter;
  onChange: (changes: Record<string, string | undefined>) => void;
}) {
  const [draft, setDraft] = useState<Record<string, string>>({});
  const textIn = (name: (typeof texts)[number] | 'from' | 'to') => draft[name] ?? filter[name] ?? '';
  const submit = (event: Event) => {
    event.preventDefault();
    onChange(
      Object.fromEntries(Object.entries(draft).map(([name, value]) => [name, value.trim() || undefined])),
    );
    setDraft({});
  };
  const isNarrowed = [...texts, 'from', 'to'].some((name) => filter[name as 'type']) || filter.show !== 'all';
  return (
    <search>
      <form class="filters" onSubmit={submit} aria-label="Events">
        {texts.map((name) => (
          <TextField
            key={name}
            label={name[0]!.toUpperCase() + name.slice(1)}
            placeholder="any"
            value={textIn(name)}
            onValue={(value) => setDraft({ ...draft, [name]: value })}
          />
        ))}
        <TextField
          label={`From (${zone.value})`}
          type="datetime-local"
          step="1"
          value={localTime(textIn('from'))}
          onValue={(value) => setDraft({ ...draft, from: instantOf(value) })}
        />
        <TextField
          label="To"
          type="datetime-local"
          step="1"
          value={localTime(textIn('to'))}
          onValue={(value) => setDraft({ ...draft, to: instantOf(value) })}
        />
        <SelectField
          label="Show"
          value={filter.show}
          options={shows}
          onValue={(show) => onChange({ show: show === 'all' ? undefined : show })}
        />
        <button type="submit" class="button primary">
          <Icon name="search" /> Search
        </button>
        {isNarrowed && (
          <button
            type="button"
            class="button quiet"
            onClick={() => {
              setDraft({});
              onChange({
                type: undefined,
                subject: undefined,
                source: undefined,
                id: undefined,
                from: undefined,
                to: undefined,
                show: undefined,
              });
            }}
          >
            Clear
          </button>
        )}
      </form>
    </search>
  );
}

/** An instant as the fields of a clock in the chosen zone, and back. */
export function localTime(instant: string, timeZone = zone.value): string {
  if (instant === '' || Number.isNaN(Date.parse(instant))) return '';
  const at = new Date(instant);
  return new Date(at.getTime() + offsetMs(at, timeZone)).toISOString().slice(0, 19);
}

export function instantOf(local: string, timeZone = zone.value): string {
  const ms = Date.parse(`${local}Z`);
  if (Number.isNaN(ms)) return '';
  const first = ms - offsetMs(new Date(ms), timeZone);
  return new Date(ms - offsetMs(new Date(first), timeZone)).toISOString();
}

/** How far the zone's clocks are ahead of UTC at this instant. */
function offsetMs(at: Date, timeZone: string): number {
  const fields = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  } as const;
  const parts = new Intl.DateTimeFormat('en-US', { ...fields, timeZone, hourCycle: 'h23' }).formatToParts(at);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(at.getTime() / 1_000) * 1_000;
}
