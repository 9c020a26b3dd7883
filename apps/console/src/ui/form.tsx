import type { JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from './icons.tsx';
import type { Children } from './parts.tsx';

interface FieldProps {
  label: string;
  hint?: Children;
  issue?: string | undefined;
  hideLabel?: boolean;
}

function Field(props: FieldProps & { id: string; children: Children }) {
  return (
    <div class="field">
      <label for={props.id} class={props.hideLabel ? 'visually-hidden' : ''}>
        {props.label}
      </label>
      {props.children}
      {props.issue ? (
        <span class="issue" id={`${props.id}-issue`} role="alert">
          {props.issue}
        </span>
      ) : (
        props.hint && (
          <span class="hint" id={`${props.id}-hint`}>
            {props.hint}
          </span>
        )
      )}
    </div>
  );
}

const describedBy = (id: string, { issue, hint }: FieldProps) =>
  issue ? `${id}-issue` : hint ? `${id}-hint` : undefined;

type InputProps = Omit<JSX.IntrinsicElements['input'], 'onInput' | 'value' | 'label'> &
  FieldProps & { value: string; onValue: (value: string) => void };

export function TextField({ label, hint, issue, hideLabel, onValue, ...input }: InputProps) {
  const id = useId();
  const field = { label, hint, issue, hideLabel };
  return (
    <Field id={id} {...field}>
      <input
        type="text"
        autocomplete="off"
        spellcheck={false}
        {...input}
        id={id}
        class={`input ${input.class ?? ''}`}
        aria-invalid={issue ? 'true' : undefined}
        aria-describedby={describedBy(id, field)}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </Field>
  );
}

export function TextArea(
  props: FieldProps & { value: string; onValue: (value: string) => void; rows?: number; code?: boolean },
) {
  const id = useId();
  return (
    <Field id={id} {...props}>
      <textarea
        id={id}
        class={`textarea ${props.code ? 'code' : ''}`}
        rows={props.rows ?? 5}
        spellcheck={false}
        value={props.value}
        aria-invalid={props.issue ? 'true' : undefined}
        aria-describedby={describedBy(id, props)}
        onInput={(event) => props.onValue(event.currentTarget.value)}
      />
    </Field>
  );
}

export function SelectField<T extends string>(
  props: FieldProps & {
    value: T;
    options: readonly { value: T; label: string }[];
    onValue: (value: T) => void;
    disabled?: boolean;
  },
) {
  const id = useId();
  return (
    <Field id={id} {...props}>
      <select
        id={id}
        class="select"
        value={props.value}
        disabled={props.disabled}
        aria-describedby={describedBy(id, props)}
        onChange={(event) => props.onValue(event.currentTarget.value as T)}
      >
        {props.options.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </Field>
  );
}

export function CheckField(props: {
  label: Children;
  checked: boolean;
  onValue: (checked: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.checked}
        disabled={props.disabled}
        onChange={(event) => props.onValue(event.currentTarget.checked)}
      />
      <span>{props.label}</span>
    </label>
  );
}

/** A modal: the browser keeps the focus inside, Escape closes it. */
export function Dialog(props: { title: string; wide?: boolean; onClose: () => void; children: Children }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      class={`dialog ${props.wide ? 'wide' : ''}`}
      ref={dialog}
      aria-labelledby={titleId}
      onClose={props.onClose}
    >
      <div class="dialog-inner">
        <header>
          <h2 id={titleId} class="break">
            {props.title}
          </h2>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}
