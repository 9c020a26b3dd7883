import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { DeadLetter } from '../../api/queries.ts';
import { Dialog, TextArea } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { Fault, toast } from '../../ui/parts.tsx';

/** A dead letter, mended by hand: it is checked like any event, and takes the place of the one that could not be stored. */
export function EditLetter({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const [text, setText] = useState(() => JSON.stringify(letter.event, undefined, 2));
  const [fault, setFault] = useState<string>();
  const [error, setError] = useState<unknown>();
  const client = useQueryClient();
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    try {
      JSON.parse(text);
      setFault(undefined);
    } catch (problem) {
      return setFault(`This is not JSON: ${(problem as Error).message}`);
    }
    try {
      // As the text that was typed: not a digit is lost.
      await api.POST('/api/v1/dead-letters/{deadLetterId}/redrive', {
        params: { path: { deadLetterId: letter.id } },
        body: text as never,
        bodySerializer: (body) => body as unknown as string,
        headers: { 'Content-Type': 'application/json' },
      });
      await client.invalidateQueries();
      toast('The mended event is back in the stream.');
      onClose();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={`Mend dead letter ${letter.id}`} wide onClose={onClose}>
      <form onSubmit={submit}>
        <div class="body">
          <p class="soft break">It could not be stored: {letter.reason}</p>
          <TextArea label="The event (JSON)" code rows={16} value={text} onValue={setText} fault={fault} />
          {error !== undefined && <Fault error={error} />}
        </div>
        <footer>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            <Icon name="refresh" /> Save and drive again
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
