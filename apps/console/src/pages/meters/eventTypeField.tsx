import { useId } from 'preact/hooks';
import { useActivity } from '../../api/queries.ts';
import { TextField } from '../../ui/form.tsx';

const typesPollMs = 10_000;

/** With the types of the last hour to choose from. */
export function EventTypeField(props: {
  value: string;
  onValue: (value: string) => void;
  issue: string | undefined;
}) {
  const id = useId();
  const activity = useActivity(60, typesPollMs);
  const types = activity.data?.busiest.types ?? [];
  return (
    <div class="stack tight">
      <TextField label="Event type" placeholder="prompt" list={id} {...props} />
      <datalist id={id}>
        {types.map(({ type }) => (
          <option key={type} value={type} />
        ))}
      </datalist>
      {props.value === '' && types.length > 0 && (
        <div class="row tight">
          <span class="muted small">in the last hour:</span>
          {types.slice(0, 6).map(({ type }) => (
            <button type="button" class="chip" key={type} onClick={() => props.onValue(type)}>
              <span>{type}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
