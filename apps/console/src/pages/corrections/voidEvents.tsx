import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import type { IngestedEvent } from '../../api/queries.ts';
import { instantOf, localTime } from '../../app/clock.ts';
import { wholeNumber } from '../../app/format.ts';
import { zone } from '../../app/settings.ts';
import { TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';
import { toast } from '../../ui/parts.tsx';
import { type CorrectionText, Effects, sendCorrection, useDryRun } from './effects.tsx';

/** Voids one event: it stays, and counts no more. */
export function VoidEvent({ event, onClose }: { event: IngestedEvent['event']; onClose: () => void }) {
  const { source, id, time } = event;
  const body = JSON.stringify({ action: 'void', event: { source, id, time } });
  return <VoidDialog title={`Void event ${oneLine(id)}?`} body={body} onClose={onClose} />;
}

export interface VoidFilter {
  type?: string | undefined;
  source?: string | undefined;
  subject?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

const names = ['type', 'source', 'subject'] as const;

/** Voids all events of a filter, after a dry run has said how many they are. */
export function VoidMany({ first, onClose }: { first: VoidFilter; onClose: () => void }) {
  const [filter, setFilter] = useState<VoidFilter>(first);
  const [body, setBody] = useState<CorrectionText>();
  const change = (changes: VoidFilter) => {
    setFilter({ ...filter, ...changes });
    setBody(undefined);
  };
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  const isNamed = names.some((name) => filter[name]);
  return (
    <VoidDialog title="Void many events" body={body} onClose={onClose}>
      <p class="soft">
        Whole values, not parts of them. At least one of type, source and subject; at most 10,000 events at
        once.
      </p>
      <div class="fields">
        {names.map((name) => (
          <TextField
            key={name}
            label={name[0]!.toUpperCase() + name.slice(1)}
            placeholder="any"
            value={filter[name] ?? ''}
            onValue={(value) => change({ [name]: value })}
          />
        ))}
        <TextField
          label={`From (${zone.value})`}
          type="datetime-local"
          step="1"
          value={localTime(filter.from ?? '')}
          onValue={(value) => change({ from: instantOf(value) })}
        />
        <TextField
          label="To"
          type="datetime-local"
          step="1"
          value={localTime(filter.to ?? '')}
          onValue={(value) => change({ to: instantOf(value) })}
        />
      </div>
      <div>
        <button
          type="button"
          class="button"
          disabled={!isNamed}
          onClick={() => setBody(JSON.stringify({ action: 'void', filter: given }))}
        >
          Show what it changes
        </button>
      </div>
    </VoidDialog>
  );
}

function actionText(count: number): string {
  if (count === 0) return 'Void';
  return count === 1 ? 'Void the event' : `Void ${wholeNumber(count)} events`;
}

function VoidDialog(props: {
  title: string;
  body: CorrectionText | undefined;
  onClose: () => void;
  children?: preact.ComponentChildren;
}) {
  const { body } = props;
  const [reason, setReason] = useState('');
  const client = useQueryClient();
  const dryRun = useDryRun(body);
  const count = body === undefined ? 0 : (dryRun.data?.events ?? 0);
  const save = async () => {
    const { events } = await sendCorrection(body!, reason, { dryRun: false });
    await client.invalidateQueries();
    toast(
      `${wholeNumber(events)} voided. Every answer is without ${events === 1 ? 'it' : 'them'} from now on.`,
    );
  };
  return (
    <FormDialog
      title={props.title}
      action={actionText(count)}
      danger
      wide
      disabled={count === 0}
      onClose={props.onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          {props.children}
          {body !== undefined && <Effects dryRun={dryRun} />}
          <TextField
            label="Reason"
            hint="For those who read the list of corrections"
            value={reason}
            onValue={setReason}
            required
            issue={issueOf('reason')}
          />
        </>
      )}
    </FormDialog>
  );
}
