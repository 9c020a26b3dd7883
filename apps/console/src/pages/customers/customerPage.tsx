import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import { type Customer, useMeters } from '../../api/queries.ts';
import { linkTo } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { seriesColor } from '../../chart/colors.ts';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Card, Empty, Failure, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';
import { UsageCard } from '../explore/usageCard.tsx';
import { CustomerForm } from './customerForm.tsx';
import { CustomerNotifications } from './customerNotifications.tsx';
import { Entitlements } from './entitlements.tsx';

/** One customer: its subjects, what it used in the last 30 days, and what it may use. */
export function CustomerPage({ id }: { id: string }) {
  const customer = useQuery({
    queryKey: ['customer', id],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v1/customers/{customerIdOrKey}', { params: { path: { customerIdOrKey: id } }, signal }),
      ),
  });
  const meters = useMeters();
  const [dialog, setDialog] = useState<'change' | 'delete'>();
  const { data } = customer;
  const subjects = data?.usageAttribution?.subjectKeys ?? [];
  return (
    <>
      <PageHead
        title={data ? oneLine(data.name) : 'Customer'}
        about={data?.description && oneLine(data.description)}
      >
        {data && (
          <Link class="button" href={linkTo('/events', { customer: data.id })}>
            <Icon name="events" /> Events
          </Link>
        )}
        {data && may.admin.value && (
          <>
            <button type="button" class="button" onClick={() => setDialog('change')}>
              <Icon name="edit" /> Change
            </button>
            <button type="button" class="button danger" onClick={() => setDialog('delete')}>
              <Icon name="trash" /> Delete
            </button>
          </>
        )}
      </PageHead>
      {customer.error && <Failure error={customer.error} retry={() => void customer.refetch()} />}
      {data ? (
        <>
          <Card title="Subjects">
            {subjects.length === 0 ? (
              <p class="muted">None: nothing is counted for it yet.</p>
            ) : (
              <div class="row tight">
                {subjects.map((subject) => (
                  <Link
                    class="chip"
                    key={subject}
                    href={linkTo('/subject', { key: subject })}
                    style={{ paddingRight: '10px' }}
                  >
                    <span>{oneLine(subject)}</span>
                  </Link>
                ))}
              </div>
            )}
          </Card>
          <Entitlements customerId={data.id} />
          <CustomerNotifications subjects={[...subjects, ...(data.key ? [data.key] : [])]} />
          <h2>The last 30 days</h2>
          {meters.data?.length === 0 && (
            <Empty icon="meters" title="No meters yet">
              Usage is what a meter measures.
            </Empty>
          )}
          <div class="grid-3">
            {(meters.data ?? []).map((meter, at) => (
              <UsageCard
                key={meter.slug}
                meter={meter}
                of={{ filterCustomerId: [data.id] }}
                subjects={subjects}
                rangeName="30d"
                color={seriesColor(at)}
              />
            ))}
          </div>
          <Card title="Details">
            <dl class="details">
              <dt>Id</dt>
              <dd class="mono small">{data.id}</dd>
              <dt>Key</dt>
              <dd class="mono small">{oneLine(data.key ?? '–')}</dd>
              <dt>E-mail</dt>
              <dd>{oneLine(data.primaryEmail ?? '–')}</dd>
              <dt>Created</dt>
              <dd>
                <Time at={data.createdAt} />
              </dd>
              <dt>Changed</dt>
              <dd>
                <Time at={data.updatedAt} />
              </dd>
            </dl>
          </Card>
        </>
      ) : (
        !customer.error && <SkeletonRows rows={8} />
      )}
      {data && dialog === 'change' && <CustomerForm customer={data} onClose={() => setDialog(undefined)} />}
      {data && dialog === 'delete' && <DeleteCustomer customer={data} onClose={() => setDialog(undefined)} />}
    </>
  );
}

function DeleteCustomer({ customer, onClose }: { customer: Customer; onClose: () => void }) {
  const [, navigate] = useLocation();
  const params = { path: { customerIdOrKey: customer.id } };
  return (
    <ConfirmDialog
      title={`Delete ${oneLine(customer.name)}?`}
      action="Delete the customer"
      done={`${customer.name} is deleted.`}
      stale={['customers']}
      onClose={onClose}
      run={() => api.DELETE('/api/v1/customers/{customerIdOrKey}', { params })}
      leave={() => navigate('/customers')}
    >
      <p>The events and the usage of its subjects stay. Its entitlements must be ended first.</p>
    </ConfirmDialog>
  );
}
