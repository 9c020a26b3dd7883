import { TextField } from '../../ui/form.tsx';
import { RowsEditor } from '../../ui/rowsEditor.tsx';
import type { Draft } from './draft.ts';

/** The names and paths that a meter groups by; each can be changed or removed. */
export function Groups(props: {
  draft: Draft;
  onChange: (groupBy: Draft['groupBy']) => void;
  issues: string[];
}) {
  return (
    <RowsEditor
      legend="Group by"
      kind="group"
      rows={props.draft.groupBy}
      empty={{ name: '', path: '' }}
      onChange={props.onChange}
      issues={props.issues}
      fieldsOf={({ name, path }, n, change) => (
        <>
          <TextField
            label={`Name of group ${n}`}
            hideLabel
            placeholder="model"
            value={name}
            onValue={(value) => change({ name: value })}
          />
          <TextField
            label={`Path of group ${n}`}
            hideLabel
            placeholder="$.model"
            class="mono"
            value={path}
            onValue={(value) => change({ path: value })}
          />
        </>
      )}
    />
  );
}
