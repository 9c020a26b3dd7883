import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Customer } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { PageTurner, pageIn, pageSize } from '../../ui/lists.tsx';
import { Badge, Card, Empty, Failure, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';
import { CustomerForm } from './customerForm.tsx';

const subjectsShown = 4;

/** Customers: each is one or many subjects. */
export function Customers() {
  const url = useUrlState();
  const page = pageIn(url);
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
      {customers.error && <Failure error={customers.error} retry={() => void customers.refetch()} />}
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
      {data && <PageTurner url={url} totalCount={data.totalCount} before="Before" next="Next" />}
      {isCreating && <CustomerForm onClose={() => setCreating(false)} />}
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
