import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import { type Scope, session } from '../../app/session.ts';
import { CheckField, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';

const scopes: { value: Scope; about: string }[] = [
  { value: 'ingest', about: 'ingest: send events' },
  { value: 'read', about: 'read: usage, events, meters, subjects' },
  { value: 'admin', about: 'admin: change meters, subjects and keys; dead letters' },
];

export function CreateKey(props: {
  onClose: () => void;
  onMade: (made: { name: string; key: string }) => void;
}) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [namespace, setNamespace] = useState('');
  const [chosen, setChosen] = useState<Scope[]>(['ingest']);
  const [events, setEvents] = useState('');
  const [requests, setRequests] = useState('');
  const save = async () => {
    const body = {
      name,
      scopes: chosen,
      ...(namespace && { namespace }),
      ...(events && { eventsPerSecond: Number(events) }),
      ...(requests && { requestsPerSecond: Number(requests) }),
    };
    const made = await dataOf(api.POST('/api/v1/keys', { body }));
    await client.invalidateQueries({ queryKey: ['keys'] });
    props.onMade(made);
  };
  return (
    <FormDialog title="Create a key" action="Create the key" onClose={props.onClose} onSubmit={save}>
      {(issueOf) => (
        <>
          <TextField
            label="Name"
            hint="Who uses it, like “chat service”."
            value={name}
            onValue={setName}
            issue={issueOf('name')}
          />
          <Scopes chosen={chosen} onChange={setChosen} issue={issueOf('scopes')} />
          <div class="fields">
            <TextField
              label="Events a second at most"
              type="number"
              min="1"
              placeholder="no limit"
              value={events}
              onValue={setEvents}
              issue={issueOf('eventsPerSecond')}
            />
            <TextField
              label="Requests a second at most"
              type="number"
              min="1"
              placeholder="no limit"
              value={requests}
              onValue={setRequests}
              issue={issueOf('requestsPerSecond')}
            />
          </div>
          {session.value?.isOperator && session.value.auth === 'keys' && (
            <TextField
              label="Namespace"
              placeholder={session.value.namespace}
              hint="The operator may make keys for other namespaces."
              value={namespace}
              onValue={setNamespace}
              issue={issueOf('namespace')}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}

function Scopes({
  chosen,
  onChange,
  issue,
}: {
  chosen: Scope[];
  onChange: (chosen: Scope[]) => void;
  issue: string | undefined;
}) {
  const toggle = (scope: Scope, on: boolean) =>
    onChange(on ? [...chosen, scope] : chosen.filter((one) => one !== scope));
  return (
    <fieldset class="field plain">
      <legend class="label">Scopes</legend>
      {scopes.map(({ value, about }) => (
        <CheckField
          key={value}
          label={about}
          checked={chosen.includes(value)}
          onValue={(on) => toggle(value, on)}
        />
      ))}
      {issue && <span class="issue">{issue}</span>}
    </fieldset>
  );
}
