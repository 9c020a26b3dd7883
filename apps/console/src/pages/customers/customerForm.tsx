import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Customer } from '../../api/queries.ts';
import { TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { toast } from '../../ui/parts.tsx';

/** Creates a customer and opens its page, or changes one. */
export function CustomerForm({ customer, onClose }: { customer?: Customer; onClose: () => void }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [name, setName] = useState(customer?.name ?? '');
  const [key, setKey] = useState(customer?.key ?? '');
  const [email, setEmail] = useState(customer?.primaryEmail ?? '');
  const [subjects, setSubjects] = useState((customer?.usageAttribution?.subjectKeys ?? []).join(', '));
  const save = async () => {
    const subjectKeys = subjects
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean);
    const body = {
      ...keptOf(customer),
      name,
      ...(key && { key }),
      ...(email && { primaryEmail: email }),
      usageAttribution: { subjectKeys },
    };
    const params = { path: { customerIdOrKey: customer?.id ?? '' } };
    const saved = await (customer
      ? dataOf(api.PUT('/api/v1/customers/{customerIdOrKey}', { params, body }))
      : dataOf(api.POST('/api/v1/customers', { body })));
    await client.invalidateQueries();
    toast(`${name} is ${customer ? 'changed' : 'created'}.`);
    if (!customer) navigate(`/customers/${saved.id}`);
  };
  return (
    <FormDialog
      title={customer ? `Change ${customer.name}` : 'Create a customer'}
      action={customer ? 'Save' : 'Create the customer'}
      onClose={onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <TextField label="Name" value={name} onValue={setName} issue={issueOf('name')} />
          <TextField
            label="Key"
            hint="Your own id of the customer; may be left out"
            class="mono"
            value={key}
            onValue={setKey}
            issue={issueOf('key')}
          />
          <TextField
            label="Subjects"
            hint="Keys of the subjects whose usage is the customer’s, separated by commas"
            value={subjects}
            onValue={setSubjects}
            issue={issueOf('usageAttribution')}
          />
          <TextField
            label="E-mail"
            hint="May be left out"
            value={email}
            onValue={setEmail}
            issue={issueOf('primaryEmail')}
          />
        </>
      )}
    </FormDialog>
  );
}

/** A replacement clears what it leaves out: what the form does not show stays. */
function keptOf(customer: Customer | undefined) {
  if (!customer) return {};
  const { description, metadata, currency, billingAddress, annotations } = customer;
  const kept = { description, metadata, currency, billingAddress, annotations };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}
