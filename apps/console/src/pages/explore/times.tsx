import { instantOf, localTime } from '../../app/clock.ts';
import { useUrlState } from '../../app/search.ts';
import { TextField } from '../../ui/form.tsx';
import { windowFor } from './range.ts';
import type { ExploreState } from './state.ts';

/** From and to, by the clock of the zone. */
export function CustomRange({ state }: { state: ExploreState }) {
  const url = useUrlState();
  const change = (name: 'from' | 'to', local: string) => {
    const instant = instantOf(`${local}:00`, state.zone);
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

/** As an invoice saw it then: what arrived or was corrected later does not count. */
export function AsOf({ state }: { state: ExploreState }) {
  const url = useUrlState();
  const set = (local: string) =>
    url.set({ asof: local === '' ? undefined : instantOf(`${local}:00`, state.zone) || undefined });
  return (
    <TextField
      label="As of"
      title="What arrived or was corrected after this moment does not count. Empty is now."
      type="datetime-local"
      value={localTime(state.asOf ?? '', state.zone).slice(0, 16)}
      onValue={() => {}}
      onChange={(event) => set(event.currentTarget.value)}
    />
  );
}
