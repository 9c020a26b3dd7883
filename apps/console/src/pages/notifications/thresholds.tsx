import { SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { type RuleDraft, thresholdLabels } from './ruleDraft.ts';

type Threshold = RuleDraft['thresholds'][number];
const ofEntitlements = ['usage_percentage', 'usage_value', 'balance_value'] as const;
const ofMeters = ['usage_value'] as const;

/** The thresholds of a rule: each fires once in a usage period. */
export function Thresholds(props: {
  draft: RuleDraft;
  onChange: (changes: Partial<RuleDraft>) => void;
  issue: string | undefined;
}) {
  const { thresholds, type } = props.draft;
  const offered: readonly Threshold['type'][] = type === 'usage.threshold' ? ofMeters : ofEntitlements;
  const set = (changed: Threshold[]) => props.onChange({ thresholds: changed });
  const changeAt = (at: number, changes: Partial<Threshold>) =>
    set(thresholds.map((one, n) => (n === at ? { ...one, ...changes } : one)));
  return (
    <fieldset class="field plain">
      <legend class="label">Thresholds</legend>
      {thresholds.map((threshold, at) => (
        <div class="row nowrap" key={at}>
          <TextField
            label={`Value of threshold ${at + 1}`}
            hideLabel
            type="number"
            min="0"
            step="any"
            value={threshold.value}
            onValue={(value) => changeAt(at, { value })}
            required
          />
          <SelectField
            label={`Kind of threshold ${at + 1}`}
            hideLabel
            value={threshold.type}
            options={[...new Set([...offered, threshold.type])].map((value) => ({
              value,
              label: thresholdLabels[value],
            }))}
            onValue={(value) => changeAt(at, { type: value })}
          />
          <button
            type="button"
            class="button quiet icon"
            aria-label={`Remove threshold ${at + 1}`}
            disabled={thresholds.length === 1}
            onClick={() => set(thresholds.filter((_, n) => n !== at))}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      {props.issue && <span class="issue">{props.issue}</span>}
      <div>
        <button
          type="button"
          class="button small"
          onClick={() => set([...thresholds, { type: offered[0]!, value: '100' }])}
        >
          <Icon name="plus" /> Add a threshold
        </button>
      </div>
    </fieldset>
  );
}
