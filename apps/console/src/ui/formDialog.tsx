import { useState } from 'preact/hooks';
import { ApiError } from '../api/client.ts';
import { Dialog } from './form.tsx';
import type { Children } from './parts.tsx';
import { Fault } from './parts.tsx';

/** What the API found wrong with a field (or a part of it), for the field to show. */
export type FaultOf = (field: string) => string | undefined;

/**
 * A dialog that does one thing. It closes once that is done; where the API refuses it, it stays and says why: beside the
 * fields that ask for their faults, and below them for all others.
 */
export function FormDialog(props: {
  title: string;
  wide?: boolean;
  action: Children;
  danger?: boolean;
  disabled?: boolean;
  onClose: () => void;
  onSubmit: () => Promise<unknown>;
  children: Children | ((faultOf: FaultOf) => Children);
}) {
  const { children, onClose } = props;
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    setBusy(true);
    try {
      await props.onSubmit();
      onClose();
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  const { faultOf, isAllShown } = faultsBesideFields(error);
  const body = typeof children === 'function' ? children(faultOf) : children;
  return (
    <Dialog title={props.title} wide={props.wide} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="body">
          {body}
          {error !== undefined && !isAllShown() && <Fault error={error} />}
        </div>
        <footer>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class={`button ${props.danger ? 'danger' : 'primary'}`}
            disabled={isBusy || props.disabled}
          >
            {props.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Faults go to the fields that ask for them; what no field asks for is left to be shown below. */
export function faultsBesideFields(error: unknown) {
  const faults = error instanceof ApiError ? error.faults : [];
  const shown = new Set<object>();
  return {
    faultOf(field: string): string | undefined {
      const found = faults.find(
        (fault) =>
          fault.field === field || fault.field.startsWith(`${field}.`) || fault.field.startsWith(`${field}[`),
      );
      if (found) shown.add(found);
      return found?.reason;
    },
    isAllShown: () => faults.length > 0 && shown.size === faults.length,
  };
}
