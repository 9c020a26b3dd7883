import { SelectField, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { type FilterDraft, operators } from './draft.ts';

/** Which events of the type the meter takes: conditions that must all pass. */
export function MeterFilters(props: {
  filters: FilterDraft[];
  onChange: (filters: FilterDraft[]) => void;
  issues: string[];
}) {
  const { filters, onChange } = props;
  const changeAt = (at: number, changes: Partial<FilterDraft>) =>
    onChange(filters.map((one, n) => (n === at ? { ...one, ...changes } : one)));
  return (
    <fieldset class="field plain">
      <legend class="label">Only events where</legend>
      {filters.map(({ name, operator, value }, at) => (
        <div class="row nowrap" key={at}>
          <TextField
            label={`Path of filter ${at + 1}`}
            hideLabel
            placeholder="$.status"
            class="mono"
            value={name}
            onValue={(path) => changeAt(at, { name: path })}
          />
          <SelectField
            label={`Operator of filter ${at + 1}`}
            hideLabel
            value={operator}
            options={operators}
            onValue={(chosen) => changeAt(at, { operator: chosen })}
          />
          <TextField
            label={`Value of filter ${at + 1}`}
            hideLabel
            placeholder={placeholders[operator] ?? 'ok'}
            value={value}
            onValue={(text) => changeAt(at, { value: text })}
          />
          <button
            type="button"
            class="button quiet icon"
            aria-label={`Remove filter ${at + 1}`}
            onClick={() => onChange(filters.filter((_, n) => n !== at))}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      {filters.length > 0 && (
        <span class="hint">
          A JSONPath in the data, or an attribute such as source. What an event lacks is an empty text; “like”
          takes % for any text.
        </span>
      )}
      {props.issues.map((issue) => (
        <span class="issue" key={issue}>
          {issue}
        </span>
      ))}
      <div>
        <button
          type="button"
          class="button small"
          onClick={() => onChange([...filters, { name: '', operator: '$eq', value: '' }])}
        >
          <Icon name="plus" /> Add a filter
        </button>
      </div>
    </fieldset>
  );
}

const placeholders: Partial<Record<FilterDraft['operator'], string>> = {
  $in: 'ok, partial',
  $nin: 'ok, partial',
  $like: 'eu-%',
  $nlike: 'eu-%',
};
