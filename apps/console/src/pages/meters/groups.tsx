import { TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import type { Draft } from './draft.ts';

/** The names and paths that a meter groups by; each can be changed or removed. */
export function Groups(props: {
  draft: Draft;
  onChange: (groupBy: Draft['groupBy']) => void;
  issues: string[];
}) {
  const { groupBy } = props.draft;
  const changeAt = (at: number, changes: Partial<Draft['groupBy'][number]>) =>
    props.onChange(groupBy.map((one, n) => (n === at ? { ...one, ...changes } : one)));
  return (
    <fieldset class="field plain">
      <legend class="label">Group by</legend>
      {groupBy.map(({ name, path }, at) => (
        <div class="row nowrap" key={at}>
          <TextField
            label={`Name of group ${at + 1}`}
            hideLabel
            placeholder="model"
            value={name}
            onValue={(value) => changeAt(at, { name: value })}
          />
          <TextField
            label={`Path of group ${at + 1}`}
            hideLabel
            placeholder="$.model"
            class="mono"
            value={path}
            onValue={(value) => changeAt(at, { path: value })}
          />
          <button
            type="button"
            class="button quiet icon"
            aria-label={`Remove group ${at + 1}`}
            onClick={() => props.onChange(groupBy.filter((_, n) => n !== at))}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      {props.issues.map((issue) => (
        <span class="issue" key={issue}>
          {issue}
        </span>
      ))}
      <div>
        <button
          type="button"
          class="button small"
          onClick={() => props.onChange([...groupBy, { name: '', path: '' }])}
        >
          <Icon name="plus" /> Add a group
        </button>
      </div>
    </fieldset>
  );
}
