import { type QueryKey, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { ApiError } from '../api/client.ts';
import { Dialog } from './form.tsx';
import type { Children } from './parts.tsx';
import { Failure, toast } from './parts.tsx';

/** What the API found wrong with a field (or a part of it), for the field to show. */
export type IssueOf = (field: string) => string | undefined;

/**
 * A dialog that does one thing. It closes once that is done; where the API refuses it, it stays and says why: beside the
 * fields that ask for their issues, and below them for all others.
 */
export function FormDialog(props: {
  title: string;
  wide?: boolean;
  action: Children;
  danger?: boolean;
  disabled?: boolean;
  onClose: () => void;
  onSubmit: () => Promise<unknown>;
  children: Children | ((issueOf: IssueOf) => Children);
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
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const { issueOf, isAllShown } = issuesBesideFields(error);
  const body = typeof children === 'function' ? children(issueOf) : children;
  return (
    <Dialog title={props.title} wide={props.wide} onClose={onClose}>
      <form onSubmit={submit}>
        <div class="body">
          {body}
          {error !== undefined && !isAllShown() && <Failure error={error} />}
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

/** Asks before something is taken away. Once it is, says so, and what is shown is fetched anew: of `stale`, or all. */
export function ConfirmDialog(props: {
  title: string;
  action: string;
  done: string;
  stale?: QueryKey;
  onClose: () => void;
  run: () => Promise<unknown>;
  /** Where the page goes afterwards. */
  leave?: () => void;
  children: Children;
}) {
  const client = useQueryClient();
  const confirm = async () => {
    await props.run();
    await client.invalidateQueries(props.stale && { queryKey: props.stale });
    toast(props.done);
    props.leave?.();
  };
  return (
    <FormDialog title={props.title} action={props.action} danger onClose={props.onClose} onSubmit={confirm}>
      {props.children}
    </FormDialog>
  );
}

/** Issues go to the fields that ask for them; what no field asks for is left to be shown below. */
export function issuesBesideFields(error: unknown) {
  const issues = error instanceof ApiError ? error.issues : [];
  const shown = new Set<object>();
  return {
    issueOf(field: string): string | undefined {
      const found = issues.find(
        (issue) =>
          issue.field === field || issue.field.startsWith(`${field}.`) || issue.field.startsWith(`${field}[`),
      );
      if (found) shown.add(found);
      return found?.reason;
    },
    isAllShown: () => issues.length > 0 && shown.size === issues.length,
  };
}
