import { useQuery, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api } from '../../api/client.ts';
import { jsonIssue } from '../../app/jsonText.ts';
import { linkTo } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { TextArea, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { Card, Failure, Notice, PageHead } from '../../ui/parts.tsx';

interface Draft {
  type: string;
  subject: string;
  source: string;
  id: string;
  time: string;
  data: string;
}

const example: Omit<Draft, 'id'> = {
  type: 'prompt',
  subject: 'customer-1',
  source: 'console',
  time: '',
  data: '{\n  "tokens": 1432,\n  "model": "large"\n}',
};
const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;

function EventFields({
  draft,
  set,
  dataIssue,
}: {
  draft: Draft;
  set: (name: keyof Draft) => (value: string) => void;
  dataIssue: string | undefined;
}) {
  return (
    <>
      <div class="fields">
        <TextField
          label="Type"
          hint="What happened; meters choose by it"
          value={draft.type}
          onValue={set('type')}
          required
        />
        <TextField
          label="Subject"
          hint="Whose usage it is"
          value={draft.subject}
          onValue={set('subject')}
          required
        />
      </div>
      <TextArea
        label="Data (JSON)"
        code
        rows={7}
        value={draft.data}
        onValue={set('data')}
        issue={dataIssue}
      />
      <div class="fields">
        <TextField label="Source" value={draft.source} onValue={set('source')} required />
        <TextField
          label="Id"
          hint="Sent again, it counts once"
          class="mono"
          value={draft.id}
          onValue={set('id')}
          required
        />
        <TextField
          label="Time"
          hint="RFC 3339; empty is now"
          placeholder={new Date().toISOString().slice(0, 19).concat('Z')}
          value={draft.time}
          onValue={set('time')}
        />
      </div>
    </>
  );
}

/** One event, made by hand: to try things out, and to see at once what becomes of it. */
export function Send() {
  const [draft, setDraft] = useState<Draft>({ ...example, id: newId() });
  const [error, setError] = useState<unknown>();
  const [dataIssue, setDataIssue] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const [sent, setSent] = useState<{ id: string; source: string; type: string; outcome: string }>();
  const client = useQueryClient();
  const set = (name: keyof Draft) => (value: string) => setDraft({ ...draft, [name]: value });
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    const issue = jsonIssue(draft.data);
    setDataIssue(issue);
    if (issue) return;
    setBusy(true);
    try {
      const outcome = await send(draft);
      setSent({ id: draft.id, source: draft.source, type: draft.type, outcome });
      setDraft({ ...draft, id: newId() });
      await client.invalidateQueries();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <PageHead
        title="Send an event"
        about="As an application would, through the same API. It is stored and counted like any other."
      />
      <div class="split even">
        <Card title="The event">
          <form class="stack" onSubmit={submit}>
            <EventFields draft={draft} set={set} dataIssue={dataIssue} />
            {error !== undefined && <Failure error={error} />}
            <div>
              <button type="submit" class="button primary" disabled={isBusy}>
                <Icon name="send" /> {isBusy ? 'Sending …' : 'Send the event'}
              </button>
            </div>
          </form>
        </Card>
        <div class="stack">
          {sent ? (
            <Sent {...sent} />
          ) : (
            <Notice title="What happens then">
              The gateway checks it and answers once Redis has it; a moment later it is stored, and in every
              answer.
            </Notice>
          )}
        </div>
      </div>
    </>
  );
}

const waitSeconds = 10;

/** Waits for the commit. The data go as the text that was typed: not a digit is lost. */
async function send({ type, subject, source, id, time, data }: Draft): Promise<string> {
  const head = JSON.stringify({ specversion: '1.0', id, source, type, subject, ...(time && { time }) });
  const text = data.trim() === '' ? head : `${head.slice(0, -1)},"data":${data}}`;
  const { data: answer } = await api.POST('/api/v1/events', {
    // The description's body is an event; the text of one is sent as it stands.
    body: text as never,
    bodySerializer: (body) => body as unknown as string,
    headers: {
      'Content-Type': 'application/cloudevents+json',
      Prefer: `wait=${waitSeconds}, return=representation`,
    },
  });
  const [event] = (answer as unknown as { events?: { outcome: string }[] } | undefined)?.events ?? [];
  return event?.outcome ?? 'accepted';
}

function Sent({ id, source, type, outcome }: { id: string; source: string; type: string; outcome: string }) {
  const counted = useQuery({
    queryKey: ['evaluation', source, id],
    enabled: may.read.value,
    queryFn: async ({ signal }) =>
      (await api.POST('/api/v1/meters/evaluate', { body: { event: { source, id } }, signal })).data!,
  });
  const meters = counted.data?.items[0]?.meters ?? [];
  return (
    <Notice
      kind={outcome === 'duplicate' ? 'warn' : 'good'}
      title={outcome === 'duplicate' ? 'It was there already: it counts once' : `The event is ${outcome}`}
    >
      <span class="break">
        Id <code>{id}</code>, type {type}.
      </span>
      {may.read.value && counted.data && (
        <span>
          {meters.length === 0
            ? 'No meter measures this type yet.'
            : `Counted by ${
                meters
                  .filter((one) => one.counted)
                  .map((one) => one.slug)
                  .join(', ') || 'no meter'
              }.`}
        </span>
      )}
      <div class="row">
        {may.read.value && (
          <Link class="button small" href={linkTo('/events', { id })}>
            See it
          </Link>
        )}
        {may.admin.value && meters.length === 0 && (
          <Link class="button small primary" href={linkTo('/meters/new', { type })}>
            <Icon name="plus" /> Create a meter for it
          </Link>
        )}
        {meters[0] && (
          <Link class="button small" href={linkTo('/explore', { meter: meters[0].slug })}>
            See its chart
          </Link>
        )}
      </div>
    </Notice>
  );
}
