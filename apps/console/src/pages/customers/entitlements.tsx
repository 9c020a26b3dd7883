import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { Access, Entitlement } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { may } from '../../app/session.ts';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Failure, SkeletonRows, Time } from '../../ui/parts.tsx';
import { ChangeEntitlement, type EntitlementChange } from './changeEntitlement.tsx';
import { EntitlementForm } from './entitlementForm.tsx';
import { Grants } from './grants.tsx';

const pollMs = 5_000;

/** What the customer may use: each entitlement with its balance, as the check answers now. */
export function Entitlements({ customerId }: { customerId: string }) {
  const params = { path: { customerIdOrKey: customerId } };
  const entitlements = useQuery({
    queryKey: ['entitlements', customerId],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/api/v2/customers/{customerIdOrKey}/entitlements', { params, signal })),
  });
  const access = useQuery({
    queryKey: ['access', customerId],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/api/v1/customers/{customerIdOrKey}/access', { params, signal })),
    refetchInterval: pollMs,
  });
  const error = entitlements.error ?? access.error;
  const [dialog, setDialog] = useState<EntitlementDialog>();
  const close = () => setDialog(undefined);
  return (
    <Card
      title="Entitlements"
      flush
      actions={
        may.admin.value && (
          <button type="button" class="button small" onClick={() => setDialog({ kind: 'give' })}>
            <Icon name="plus" /> Give an entitlement
          </button>
        )
      }
    >
      {error ? (
        <div style={{ padding: '16px' }}>
          <Failure error={error} retry={() => void access.refetch()} />
        </div>
      ) : !entitlements.data || !access.data ? (
        <SkeletonRows rows={3} />
      ) : entitlements.data.items.length === 0 ? (
        <Empty icon="keys" title="No entitlements">
          An entitlement says whether the customer may use a feature, and how much of it.
        </Empty>
      ) : (
        <div class="table-scroll">
          <table class="table">
            <thead>
              <tr>
                <th>Feature</th>
                <th>Access</th>
                <th class="right">Used</th>
                <th class="right">Left</th>
                <th>Of the period</th>
                <th>Resets</th>
                <th>
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {entitlements.data.items.map((one) => (
                <EntitlementRow
                  key={one.id}
                  entitlement={one}
                  access={access.data.entitlements[one.featureKey]}
                  onOpen={setDialog}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {dialog?.kind === 'give' && <EntitlementForm customerId={customerId} onClose={close} />}
      {dialog?.kind === 'grants' && (
        <Grants customerId={customerId} entitlement={dialog.entitlement} onClose={close} />
      )}
      {(dialog?.kind === 'reset' || dialog?.kind === 'end') && (
        <ChangeEntitlement customerId={customerId} change={dialog} onClose={close} />
      )}
    </Card>
  );
}

type EntitlementDialog = { kind: 'give' } | { kind: 'grants'; entitlement: Entitlement } | EntitlementChange;

function EntitlementRow(props: {
  entitlement: Entitlement;
  access: Access | undefined;
  onOpen: (dialog: EntitlementDialog) => void;
}) {
  const { entitlement, access, onOpen } = props;
  const { featureKey, type, isSoftLimit, currentUsagePeriod } = entitlement;
  const { usage, usageExact, balance, balanceExact, totalAvailableGrantAmount: granted } = access ?? {};
  const whole = granted ?? (usage ?? 0) + (balance ?? 0);
  const share = whole > 0 ? Math.min(1, (usage ?? 0) / whole) : 0;
  return (
    <tr>
      <td class="strong break">{oneLine(featureKey)}</td>
      <td>
        <span class="row tight">
          <Badge kind={access?.hasAccess ? 'good' : 'bad'}>
            {access?.hasAccess ? 'allowed' : 'not allowed'}
          </Badge>
          <span class="muted small">
            {type}
            {isSoftLimit && ', soft limit'}
          </span>
        </span>
      </td>
      <td class="right number">{usage === undefined ? '' : exactNumber(usageExact ?? String(usage))}</td>
      <td class="right number">
        {balance === undefined ? '' : exactNumber(balanceExact ?? String(balance))}
      </td>
      <td style={{ minWidth: '140px' }}>
        {type === 'metered' && (
          <div
            class="progress"
            role="progressbar"
            aria-label={`${featureKey} used`}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(share * 100)}
          >
            <i style={{ width: `${share * 100}%`, background: share >= 1 ? 'var(--bad)' : undefined }} />
          </div>
        )}
        {type === 'static' && <span class="mono small clip">{oneLine(access?.config ?? '')}</span>}
      </td>
      <td class="soft nowrap">{currentUsagePeriod && <Time at={currentUsagePeriod.to} />}</td>
      <td class="right">
        <span class="row tight end nowrap">
          {type === 'metered' && (
            <button
              type="button"
              class="button small"
              onClick={() => onOpen({ kind: 'grants', entitlement })}
            >
              Grants
            </button>
          )}
          {may.admin.value && type === 'metered' && (
            <button type="button" class="button small" onClick={() => onOpen({ kind: 'reset', entitlement })}>
              Reset
            </button>
          )}
          {may.admin.value && (
            <button
              type="button"
              class="button small danger"
              onClick={() => onOpen({ kind: 'end', entitlement })}
            >
              End
            </button>
          )}
        </span>
      </td>
    </tr>
  );
}
