import { useQuery } from '@tanstack/preact-query';
import { useId, useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { Meter } from '../../api/queries.ts';
import { useUrlState } from '../../app/search.ts';
import { CheckField, SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { type ExploreState, filterParameters } from './state.ts';
import { AsOf } from './times.tsx';

/** What usage is narrowed to: chips to remove, and a field to add one, with the values that exist. */
export function Filters({ meter, state, groups }: { meter: Meter; state: ExploreState; groups: string[] }) {
  const url = useUrlState();
  const [name, setName] = useState('subject');
  const [value, setValue] = useState('');
  const id = useId();
  const field = groups.includes(name) ? name : 'subject';
  const values = useValues(meter.slug, field, state.range);
  const add = (event: Event) => {
    event.preventDefault();
    if (value === '' && field === 'subject') return;
    if (field === 'subject') url.set({ subject: [...new Set([...state.subjects, value])] });
    else url.set({ filter: [...new Set([...filterParameters(state.filters), `${field}=${value}`])] });
    setValue('');
  };
  const chips = [
    ...state.subjects.map((subject) => ({
      text: `subject = ${subject}`,
      remove: () => url.set({ subject: state.subjects.filter((one) => one !== subject) }),
    })),
    ...filterParameters(state.filters).map((text) => ({
      text: text.replace('=', ' = '),
      remove: () => url.set({ filter: filterParameters(state.filters).filter((one) => one !== text) }),
    })),
  ];
  return (
    <form
      class="explore-bar"
      style={{ borderTop: '1px solid var(--line)', alignItems: 'center', paddingBlock: '10px' }}
      onSubmit={add}
      aria-label="Filters"
    >
      {chips.map(({ text, remove }) => (
        <span class="chip" key={text}>
          <span>{oneLine(text)}</span>
          <button type="button" aria-label={`Remove the filter ${oneLine(text)}`} onClick={remove}>
            ×
          </button>
        </span>
      ))}
      <SelectField
        label="Filter by"
        hideLabel
        value={field}
        options={groups.map((value) => ({ value, label: value }))}
        onValue={setName}
      />
      <TextField
        label="Value to filter by"
        hideLabel
        placeholder="value"
        list={id}
        value={value}
        onValue={setValue}
      />
      <datalist id={id}>
        {(values.data ?? []).slice(0, 200).map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button type="submit" class="button small">
        <Icon name="plus" /> Add filter
      </button>
      <span class="spring" />
      <AsOf state={state} />
      <CheckField
        label="Compare with the period before"
        checked={state.compare}
        onValue={(on) => url.set({ compare: on ? '1' : undefined })}
      />
    </form>
  );
}

/** The values that a field has in the range. */
function useValues(meterIdOrSlug: string, field: string, range: ExploreState['range']) {
  return useQuery({
    queryKey: ['values', meterIdOrSlug, field, range.from, range.to],
    queryFn: ({ signal }) =>
      field === 'subject'
        ? dataOf(
            api.GET('/api/v1/meters/{meterIdOrSlug}/subjects', {
              params: { path: { meterIdOrSlug }, query: range },
              signal,
            }),
          )
        : dataOf(
            api.GET('/api/v1/meters/{meterIdOrSlug}/group-by/{groupByKey}/values', {
              params: { path: { meterIdOrSlug, groupByKey: field }, query: range },
              signal,
            }),
          ),
  });
}
