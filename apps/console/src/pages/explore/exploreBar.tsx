import type { Meter } from '../../api/queries.ts';
import { useUrlState } from '../../app/search.ts';
import { browserZone, zoneNames } from '../../app/settings.ts';
import { CheckField, SelectField } from '../../ui/form.tsx';
import { Filters } from './filters.tsx';
import { type RangeName, rangeNames, windowLabels, windowsFor } from './range.ts';
import { type ExploreState, percentileChoices } from './state.ts';
import { CustomRange } from './times.tsx';

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
          onValue={(slug) => url.set({ meter: slug, group: undefined, filter: undefined, top: undefined })}
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
          options={[...new Set([state.zone, browserZone, ...zoneNames.value])].map((value) => ({
            value,
            label: value,
          }))}
          onValue={(value) => url.set({ zone: value })}
        />
        {meter.aggregation === 'PERCENTILE' && (
          <SelectField
            label="Percentile"
            value={String(state.percentile ?? percentileChoices[0])}
            options={percentileChoices.map((value) => ({
              value: String(value),
              label: value === 50 ? '50 (the median)' : String(value),
            }))}
            onValue={(percentile) => url.set({ percentile })}
          />
        )}
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
