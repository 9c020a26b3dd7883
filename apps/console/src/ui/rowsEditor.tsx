import { Icon } from './icons.tsx';
import type { Children } from './parts.tsx';

/** Rows of fields that are added and removed, of one kind (`filter`, `group`); `fieldsOf` draws one of them. */
export function RowsEditor<Row>(props: {
  legend: string;
  kind: string;
  rows: Row[];
  empty: Row;
  onChange: (rows: Row[]) => void;
  fieldsOf: (row: Row, n: number, change: (changes: Partial<Row>) => void) => Children;
  issues: string[];
  hint?: string | false;
}) {
  const { rows, kind, onChange } = props;
  const changeAt = (at: number) => (changes: Partial<Row>) =>
    onChange(rows.map((row, n) => (n === at ? { ...row, ...changes } : row)));
  return (
    <fieldset class="field plain">
      <legend class="label">{props.legend}</legend>
      {rows.map((row, at) => (
        <div class="row nowrap" key={at}>
          {props.fieldsOf(row, at + 1, changeAt(at))}
          <button
            type="button"
            class="button quiet icon"
            aria-label={`Remove ${kind} ${at + 1}`}
            onClick={() => onChange(rows.filter((_, n) => n !== at))}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      {props.hint && <span class="hint">{props.hint}</span>}
      {props.issues.map((issue) => (
        <span class="issue" key={issue}>
          {issue}
        </span>
      ))}
      <div>
        <button type="button" class="button small" onClick={() => onChange([...rows, props.empty])}>
          <Icon name="plus" /> Add a {kind}
        </button>
      </div>
    </fieldset>
  );
}
