import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { useMeters } from '../../api/queries.ts';
import { SelectField, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { toast } from '../../ui/parts.tsx';

/** Creates a feature: what customers may use, and the meter that measures it. */
export function FeatureForm(props: { onCreated: (key: string) => void; onClose: () => void }) {
  const client = useQueryClient();
  const meters = useMeters();
  const [key, setKey] = useState('');
  const [name, setName] = useState('');
  const [meterSlug, setMeter] = useState('');
  const slugs = (meters.data ?? []).map(({ slug }) => slug);
  const save = async () => {
    const body = { key: key.trim(), name: name.trim() || key.trim(), ...(meterSlug && { meterSlug }) };
    await api.POST('/api/v1/features', { body });
    await client.invalidateQueries({ queryKey: ['features'] });
    toast(`The feature ${body.key} is created.`);
    props.onCreated(body.key);
  };
  return (
    <FormDialog title="Create a feature" action="Create the feature" onClose={props.onClose} onSubmit={save}>
      {(issueOf) => (
        <>
          <TextField
            label="Key of the feature"
            hint="Lower-case letters, digits and underscores"
            class="mono"
            value={key}
            onValue={setKey}
            required
            issue={issueOf('key')}
          />
          <TextField label="Name of the feature" value={name} onValue={setName} issue={issueOf('name')} />
          <SelectField
            label="Measured by"
            hint="A metered entitlement needs a meter"
            value={meterSlug}
            options={['', ...slugs].map((value) => ({ value, label: value || 'no meter' }))}
            onValue={setMeter}
            issue={issueOf('meterSlug')}
          />
        </>
      )}
    </FormDialog>
  );
}
