import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { Entitlement, Grant } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { may } from '../../app/session.ts';
import { Dialog } from '../../ui/form.tsx';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Empty, Failure, SkeletonRows, Time } from '../../ui/parts.tsx';
import { GrantForm } from './grantForm.tsx';

const shownMax = 1_000;

/** The grants of an entitlement, those that are over or voided too. */
export function Grants(props: { customerId: string; entitlement: Entitlement; onClose: () => void }) {
  const { customerId, entitlement } = props;
  const [isAdding, setAdding] = useState(false);
  const [voiding, setVoiding] = useState<Grant>();
  const path = { customerIdOrKey: customerId, entitlementIdOrFeatureKey: entitlement.id };
  const grants = useQuery({
    queryKey: ['grants', entitlement.id],
    queryFn: ({ signal }) => {
      const params = { path, query: { includeDeleted: true, pageSize: shownMax } };
      const route = '/api/v2/customers/{customerIdOrKey}/entitlements/{entitlementIdOrFeatureKey}/grants';
      return dataOf(api.GET(route, { params, signal }));
    },
  });
  const list = grants.data?.items;
  return (
    <Dialog title={`Grants of ${oneLine(entitlement.featureKey)}`} wide onClose={props.onClose}>
      <div class="body">
        {grants.error ? (
          <Failure error={grants.error} retry={() => void grants.refetch()} />
        ) : !list ? (
          <SkeletonRows rows={3} />
        ) : list.length === 0 ? (
          <Empty icon="keys" title="No grants">
            A grant is an amount that may be used, once or again in every period.
          </Empty>
        ) : (
          <GrantTable grants={list} onVoid={setVoiding} />
        )}
      </div>
      {may.admin.value && (
        <footer>
          <button type="button" class="button" onClick={() => setAdding(true)}>
            <Icon name="plus" /> Add a grant
          </button>
        </footer>
      )}
      {isAdding && (
        <GrantForm customerId={customerId} entitlement={entitlement} onClose={() => setAdding(false)} />
      )}
      {voiding && <VoidGrant grant={voiding} onClose={() => setVoiding(undefined)} />}
    </Dialog>
  );
}

function GrantTable({ grants, onVoid }: { grants: Grant[]; onVoid: (grant: Grant) => void }) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th class="right">Amount</th>
            <th class="right">Priority</th>
            <th>From</th>
            <th>Until</th>
            <th>Again</th>
            <th>
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {grants.map((grant) => (
            <tr key={grant.id}>
              <td class="right number strong">{amountOf(grant)}</td>
              <td class="right number">{grant.priority}</td>
              <td class="nowrap">
                <Time at={grant.effectiveAt} />
              </td>
              <td class="nowrap">{grant.expiresAt ? <Time at={grant.expiresAt} /> : 'no end'}</td>
              <td>{grant.recurrence ? `every ${grant.recurrence.interval.toLowerCase()}` : 'once'}</td>
              <td class="right">
                {grant.voidedAt || grant.deletedAt ? (
                  <Badge>voided</Badge>
                ) : (
                  may.admin.value && (
                    <button type="button" class="button small danger" onClick={() => onVoid(grant)}>
                      Void
                    </button>
                  )
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function VoidGrant({ grant, onClose }: { grant: Grant; onClose: () => void }) {
  return (
    <ConfirmDialog
      title={`Void the grant of ${amountOf(grant)}?`}
      action="Void the grant"
      done="The grant is voided."
      onClose={onClose}
      run={() => api.DELETE('/api/v1/grants/{grantId}', { params: { path: { grantId: grant.id } } })}
    >
      <p>What was used of it stays used; the rest is gone from now on. This cannot be undone.</p>
    </ConfirmDialog>
  );
}

function amountOf({ amount, amountExact }: Grant): string {
  return exactNumber(amountExact ?? String(amount));
}
