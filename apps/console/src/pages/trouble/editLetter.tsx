import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { DeadLetter } from '../../api/queries.ts';
import { jsonIssue } from '../../app/jsonText.ts';
import { TextArea } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { toast } from '../../ui/parts.tsx';

/** A dead letter, edited by hand: it is checked like any event, and takes the place of the one that could not be stored. */
export function EditLetter({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const [text, setText] = useState(() => JSON.stringify(letter.event, undefined, 2));
  const client = useQueryClient();
  const issue = jsonIssue(text);
  const save = async () => {
    // As the text that was typed: not a digit is lost.
    await api.POST('/api/v1/dead-letters/{deadLetterId}/redrive', {
      params: { path: { deadLetterId: letter.id } },
      body: text as never,
      bodySerializer: (body) => body as unknown as string,
      headers: { 'Content-Type': 'application/json' },
    });
    await client.invalidateQueries();
    toast('The edited event is back in the stream.');
  };
  return (
    <FormDialog
      title={`Edit dead letter ${letter.id}`}
      wide
      action="Save and re-drive"
      disabled={issue !== undefined}
      onClose={onClose}
      onSubmit={save}
    >
      <p class="soft break">It could not be stored: {letter.reason}</p>
      <TextArea label="The event (JSON)" code rows={16} value={text} onValue={setText} issue={issue} />
    </FormDialog>
  );
}
