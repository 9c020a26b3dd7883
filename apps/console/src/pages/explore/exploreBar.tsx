import { useQuery } from '@tanstack/preact-query';
import { useId, useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { Meter } from '../../api/queries.ts';
import { useUrlState } from '../../app/search.ts';
import { browserZone, zoneNames } from '../../app/settings.ts';
import { CheckField, SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { instantOf, localTime } from '../events/filters.tsx';
import { type RangeName, rangeNames, windowFor, windowLabels, windowsFor } from './range.ts';
import { type ExploreState, filterParameters } from './state.ts';

const rangeLabels: Record<RangeName, string> = {
  '1h': 'Last hour',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  '90d': 'Last 90 days',
  '12m': 'Last 12 months',
  custom: 'From … to …',
};

export function ExploreBar({ meter, meters, state }: { meter: Meter; meters: Meter[]; state: ExploreState }) {
  const url = useUrlState();
  const groups = ['subject', ...Object.keys(meter.groupBy ?? {}).sort()];
  const chosen = state.groupBy;
  const toggle = (name: string, on: boolean) =>
    url.set({
      group: on
        ? groups.filter((one) => one === name || chosen.includes(one))
        : chosen.filter((one) => one !== name),
    });
  const chooseRange = (range: RangeName) =>
    range === 'custom'
      ? url.set({ range: 'custom', from: state.range.from, to: state.range.to, window: state.window })
      : url.set({ range, from: undefined, to: undefined, window: undefined });
  return (
    <>
      <div class="explore-bar">
        <SelectField
          label="Meter"
          value={meter.slug}
          options={meters.map(({ slug }) => ({ value: slug, label: slug }))}
          onValue={(slug) => url.set({ meter: slug, group: undefined, filter: undefined })}
        />
        <SelectField
          label="Range"
          value={state.rangeName}
          options={rangeNames.map((value) => ({ value, label: rangeLabels[value] }))}
          onValue={chooseRange}
        />
        {state.rangeName === 'custom' && <CustomRange state={state} />}
        <SelectField
          label="Window"
          value={state.window}
          options={[...new Set([...windowsFor(state.range), state.window])].map((value) => ({
            value,
            label: windowLabels[value],
          }))}
          onValue={(window) => url.set({ window })}
        />
        <SelectField
          label="Time zone"
          value={state.zone}
          options={[...new Set([state.zone, browserZone, ...zoneNames()])].map((value) => ({
            value,
            label: value,
          }))}
          onValue={(value) => url.set({ zone: value })}
        />
        <div class="field" style={{ maxWidth: 'none' }}>
          <span class="label" id="group-by">
            Group by
          </span>
          {/* biome-ignore lint/a11y/useSemanticElements: a legend cannot stand in this row */}
          <div class="group-choice" role="group" aria-labelledby="group-by">
            {groups.map((name) => (
              <CheckField
                key={name}
                label={name}
                checked={chosen.includes(name)}
                onValue={(on) => toggle(name, on)}
              />
            ))}
          </div>
        </div>
      </div>
      <Filters meter={meter} state={state} groups={groups} />
    </>
  );
}

function CustomRange({ state }: { state: ExploreState }) {
  const url = useUrlState();
  const change = (name: 'from' | 'to', local: string) => {
    const instant = instantOf(local, state.zone);
    if (!instant) return;
    const next = { from: state.range.from, to: state.range.to, [name]: instant };
    if (next.from < next.to) url.set({ ...next, range: 'custom', window: windowFor('custom', next) });
  };
  return (
    <>
      <TextField
        label="From"
        type="datetime-local"
        value={localTime(state.range.from, state.zone).slice(0, 16)}
        onValue={() => {}}
        onChange={(event) => change('from', `${event.currentTarget.value}:00`)}
      />
      <TextField
        label="To"
        type="datetime-local"
        value={localTime(state.range.to, state.zone).slice(0, 16)}
        onValue={() => {}}
        onChange={(event) => change('to', `${event.currentTarget.value}:00`)}
      />
    </>
  );
}

/** What usage is narrowed to: chips to take out, and a field to add one, with the values that exist. */
function Filters({ meter, state, groups }: { meter: Meter; state: ExploreState; groups: string[] }) {
  const url = useUrlState();
  const [name, setName] = useState('subject');
  const [value, setValue] = useState('');
  const id = useId();
  const field = groups.includes(name) ? name : 'subject';
  const values = useQuery({
    queryKey: ['values', meter.slug, field, state.range.from, state.range.to],
    queryFn: ({ signal }) => {
      const query = state.range;
      return field === 'subject'
        ? dataOf(
            api.GET('/api/v1/meters/{meterIdOrSlug}/subjects', {
              params: { path: { meterIdOrSlug: meter.slug }, query },
              signal,
            }),
          )
        : dataOf(
            api.GET('/api/v1/meters/{meterIdOrSlug}/group-by/{groupByKey}/values', {
              params: { path: { meterIdOrSlug: meter.slug, groupByKey: field }, query },
              signal,
            }),
          );
    },
  });
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
          <button type="button" aria-label={`Take the filter ${oneLine(text)} out`} onClick={remove}>
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
      <CheckField
        label="Compare with the period before"
        checked={state.compare}
        onValue={(on) => url.set({ compare: on ? '1' : undefined })}
      />
    </form>
  );
}
