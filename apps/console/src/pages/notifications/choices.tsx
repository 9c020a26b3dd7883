import { CheckField } from '../../ui/form.tsx';

/** Check boxes, of which any number may be on. */
export function Choices(props: {
  legend: string;
  options: { value: string; label: string }[];
  chosen: string[];
  onChange: (chosen: string[]) => void;
  empty: string;
  issue: string | undefined;
}) {
  const { options, chosen, onChange } = props;
  return (
    <fieldset class="field plain">
      <legend class="label">{props.legend}</legend>
      {options.length === 0 && <span class="muted small">{props.empty}</span>}
      <div class="group-choice">
        {options.map(({ value, label }) => (
          <CheckField
            key={value}
            label={label}
            checked={chosen.includes(value)}
            onValue={(on) => onChange(on ? [...chosen, value] : chosen.filter((one) => one !== value))}
          />
        ))}
      </div>
      {props.issue && <span class="issue">{props.issue}</span>}
    </fieldset>
  );
}
