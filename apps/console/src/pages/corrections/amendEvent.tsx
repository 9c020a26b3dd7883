import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import type { Correction, IngestedEvent } from '../../api/queries.ts';
import { jsonIssue } from '../../app/jsonText.ts';
import { useSettled } from '../../app/settled.ts';
import { TextArea, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';
import { toast } from '../../ui/parts.tsx';
import { type CorrectionText, Effects, sendCorrection, useDryRun } from './effects.tsx';

interface Version {
  time: string;
  subject: string;
  data: string;
}

/** Lets an event count with another time, subject or data. `now`: as an earlier amendment has it. */
export function AmendEvent(props: {
  event: IngestedEvent['event'];
  now: Correction['amended'];
  onClose: () => void;
}) {
  const { event, now } = props;
  const [first] = useState<Version>(() => {
    const { time, subject, data } = now ?? event;
    return { time, subject, data: JSON.stringify(data, undefined, 2) ?? '' };
  });
  const [version, setVersion] = useState(first);
  const [reason, setReason] = useState('');
  const client = useQueryClient();
  const issue = jsonIssue(version.data);
  const body = issue === undefined ? bodyOf(event, first, version) : undefined;
  const settled = useSettled(body, body ?? '');
  const dryRun = useDryRun(settled);
  const set = (name: keyof Version) => (value: string) => setVersion({ ...version, [name]: value });
  const save = async () => {
    await sendCorrection(body!, reason, { dryRun: false });
    await client.invalidateQueries();
    toast('The event is amended. Every answer includes it so from now on.');
  };
  return (
    <FormDialog
      title={`Amend event ${oneLine(event.id)}`}
      action="Amend the event"
      wide
      disabled={body === undefined}
      onClose={props.onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <div class="fields">
            <TextField
              label="Time"
              hint="RFC 3339"
              value={version.time}
              onValue={set('time')}
              issue={issueOf('time')}
            />
            <TextField
              label="Subject"
              value={version.subject}
              onValue={set('subject')}
              issue={issueOf('subject')}
            />
          </div>
          <TextArea
            label="Data (JSON)"
            code
            rows={8}
            value={version.data}
            onValue={set('data')}
            issue={issue ?? issueOf('data')}
          />
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

/** What differs from how it counts now; undefined where nothing does. */
function bodyOf(
  { source, id, time: cameAt }: IngestedEvent['event'],
  first: Version,
  { time, subject, data }: Version,
): CorrectionText | undefined {
  const isDataChanged = data !== first.data && data.trim() !== '';
  if (time === first.time && subject === first.subject && !isDataChanged) return undefined;
  const head = JSON.stringify({
    action: 'amend',
    event: { source, id, time: cameAt },
    ...(time !== first.time && { time: time.trim() }),
    ...(subject !== first.subject && { subject }),
  });
  return isDataChanged ? `${head.slice(0, -1)},"data":${data}}` : head;
}
