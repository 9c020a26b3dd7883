import { useState } from 'preact/hooks';
import { useCustomerNames } from '../../api/queries.ts';
import { instantOf, localTime } from '../../app/clock.ts';
import type { UrlState } from '../../app/search.ts';
import { zone } from '../../app/settings.ts';
import { SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';

/** What the list is narrowed to; each part lives in the URL. */
export interface EventFilter {
  type?: string | undefined;
  subject?: string | undefined;
  source?: string | undefined;
  id?: string | undefined;
  /** Id of a customer: the events of its subjects. */
  customer?: string | undefined;
  /** Times of the event, RFC 3339. */
  from?: string | undefined;
  to?: string | undefined;
  show: 'all' | 'invalid' | 'counted';
}

const texts = ['type', 'subject', 'source', 'id'] as const;
const shows = [
  { value: 'all', label: 'All events' },
  { value: 'invalid', label: 'With a validation error' },
  { value: 'counted', label: 'Without one' },
] as const;

export function filterIn(url: UrlState): EventFilter {
  const show = shows.find(({ value }) => value === url.get('show'))?.value ?? 'all';
  return {
    type: url.get('type'),
    subject: url.get('subject'),
    source: url.get('source'),
    id: url.get('id'),
    customer: url.get('customer'),
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
  if (filter.customer) all.customerId = { $eq: filter.customer };
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
  const isNarrowed =
    [...texts, 'customer', 'from', 'to'].some((name) => filter[name as 'type']) || filter.show !== 'all';
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
        <CustomerField
          value={filter.customer ?? ''}
          onValue={(customer) => onChange({ customer: customer || undefined })}
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
                customer: undefined,
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

/** Nothing where there are no customers to choose from. */
function CustomerField({ value, onValue }: { value: string; onValue: (id: string) => void }) {
  const customers = useCustomerNames();
  const names = (customers.data ?? []).map(({ id, name }) => ({ value: id, label: oneLine(name) }));
  if (names.length === 0 && value === '') return null;
  const known = names.some((one) => one.value === value) || value === '';
  return (
    <SelectField
      label="Customer"
      value={value}
      options={[{ value: '', label: 'any' }, ...(known ? [] : [{ value, label: value }]), ...names]}
      onValue={onValue}
    />
  );
}
