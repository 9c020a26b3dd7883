import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { ApiError, api, dataOf } from '../../api/client.ts';
import type { Customer } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { Dialog, TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Fault, PageHead, SkeletonRows, Time, toast } from '../../ui/parts.tsx';

const pageSize = 50;
const subjectsShown = 4;

/** Customers: each is one or many subjects. */
export function Customers() {
  const url = useUrlState();
  const page = Math.max(1, Number(url.get('page')) || 1);
  const name = url.get('name');
  const [isCreating, setCreating] = useState(false);
  const customers = useQuery({
    queryKey: ['customers', page, name],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/customers', {
          params: { query: { page, pageSize, ...(name && { name }) } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const { data } = customers;
  return (
    <>
      <PageHead
        title="Customers"
        about="A customer is one subject or many: its usage is theirs together, and its entitlements say how much it may use."
      >
        {may.admin.value && (
          <button type="button" class="button primary" onClick={() => setCreating(true)}>
            <Icon name="plus" /> Create a customer
          </button>
        )}
      </PageHead>
      {customers.error && <Fault error={customers.error} retry={() => void customers.refetch()} />}
      <Card flush footer={data && `${wholeNumber(data.totalCount)} customers`}>
        <div class="filters">
          <TextField
            label="Find by name"
            hideLabel
            placeholder="Find by name"
            value={name ?? ''}
            onValue={(text) => url.set({ name: text, page: undefined }, { replace: true })}
          />
        </div>
        {!data ? (
          !customers.error && <SkeletonRows rows={6} />
        ) : data.items.length === 0 ? (
          <Empty icon="customers" title={name ? 'No customer of this name' : 'No customers yet'}>
            {name
              ? 'The name is looked for anywhere in theirs.'
              : 'Usage is counted by subject without them. Create one to add subjects up and to give entitlements.'}
          </Empty>
        ) : (
          <CustomerTable customers={data.items} />
        )}
      </Card>
      {data && data.totalCount > pageSize && (
        <div class="row">
          <button
            type="button"
            class="button"
            disabled={page === 1}
            onClick={() => url.set({ page: String(page - 1) })}
          >
            Before
          </button>
          <span class="muted">page {page}</span>
          <button
            type="button"
            class="button"
            disabled={page * pageSize >= data.totalCount}
            onClick={() => url.set({ page: String(page + 1) })}
          >
            Next
          </button>
        </div>
      )}
      {isCreating && <CreateCustomer onClose={() => setCreating(false)} />}
    </>
  );
}

function CustomerTable({ customers }: { customers: Customer[] }) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Key</th>
            <th>Subjects</th>
            <th>Created</th>
          </tr>
        </thead>
        <tbody>
          {customers.map((customer) => {
            const subjects = customer.usageAttribution?.subjectKeys ?? [];
            return (
              <tr key={customer.id}>
                <td>
                  <Link class="strong break" href={`/customers/${customer.id}`}>
                    {oneLine(customer.name)}
                  </Link>
                </td>
                <td class="mono small break">{oneLine(customer.key ?? '')}</td>
                <td>
                  <span class="row tight">
                    {subjects.slice(0, subjectsShown).map((subject) => (
                      <Badge key={subject}>{oneLine(subject)}</Badge>
                    ))}
                    {subjects.length > subjectsShown && (
                      <span class="muted small">and {subjects.length - subjectsShown} more</span>
                    )}
                  </span>
                </td>
                <td class="soft nowrap">
                  <Time at={customer.createdAt} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function CreateCustomer({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [name, setName] = useState('');
  const [key, setKey] = useState('');
  const [subjects, setSubjects] = useState('');
  const [error, setError] = useState<unknown>();
  const faultOf = (field: string) =>
    error instanceof ApiError
      ? error.faults.find((fault) => fault.field.startsWith(field))?.reason
      : undefined;
  const submit = async (event: Event) => {
    event.preventDefault();
    const subjectKeys = subjects
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean);
    try {
      const body = { name, ...(key && { key }), usageAttribution: { subjectKeys } };
      const customer = await dataOf(api.POST('/api/v1/customers', { body }));
      await client.invalidateQueries({ queryKey: ['customers'] });
      toast(`${name} is there.`);
      navigate(`/customers/${customer.id}`);
    } catch (fault) {
      setError(fault);
    }
  };
  return (
    <Dialog title="Create a customer" onClose={onClose}>
      <form onSubmit={submit}>
        <div class="body">
          <TextField label="Name" value={name} onValue={setName} fault={faultOf('name')} />
          <TextField
            label="Key"
            hint="Your own id of it; may be left out"
            class="mono"
            value={key}
            onValue={setKey}
            fault={faultOf('key')}
          />
          <TextField
            label="Subjects"
            hint="Their keys, with commas between them"
            value={subjects}
            onValue={setSubjects}
            fault={faultOf('usageAttribution')}
          />
          {error !== undefined && !(error instanceof ApiError && error.faults.length > 0) && (
            <Fault error={error} />
          )}
        </div>
        <footer>
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Create the customer
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
