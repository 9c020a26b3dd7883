import { SelectField, TextField } from '../../ui/form.tsx';
import { RowsEditor } from '../../ui/rowsEditor.tsx';
import { type FilterDraft, operators } from './draft.ts';

/** Which events of the type the meter takes: conditions that must all pass. */
export function MeterFilters(props: {
  filters: FilterDraft[];
  onChange: (filters: FilterDraft[]) => void;
  issues: string[];
}) {
  return (
    <RowsEditor
      legend="Only events where"
      kind="filter"
      rows={props.filters}
      empty={{ name: '', operator: '$eq', value: '' }}
      onChange={props.onChange}
      issues={props.issues}
      hint={
        props.filters.length > 0 &&
        'A JSONPath in the data, or an attribute such as source. What an event lacks is an empty text; “like” takes % for any text.'
      }
      fieldsOf={({ name, operator, value }, n, change) => (
        <>
          <TextField
            label={`Path of filter ${n}`}
            hideLabel
            placeholder="$.status"
            class="mono"
            value={name}
            onValue={(path) => change({ name: path })}
          />
          <SelectField
            label={`Operator of filter ${n}`}
            hideLabel
            value={operator}
            options={operators}
            onValue={(chosen) => change({ operator: chosen })}
          />
          <TextField
            label={`Value of filter ${n}`}
            hideLabel
            placeholder={placeholders[operator] ?? 'ok'}
            value={value}
            onValue={(text) => change({ value: text })}
          />
        </>
      )}
    />
  );
}

const placeholders: Partial<Record<FilterDraft['operator'], string>> = {
  $in: 'ok, partial',
  $nin: 'ok, partial',
  $like: 'eu-%',
  $nlike: 'eu-%',
};
