import { useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import type { Access, Entitlement } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Fault, SkeletonRows, Time } from '../../ui/parts.tsx';

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
  return (
    <Card title="Entitlements" flush>
      {error ? (
        <div style={{ padding: '16px' }}>
          <Fault error={error} retry={() => void access.refetch()} />
        </div>
      ) : !entitlements.data || !access.data ? (
        <SkeletonRows rows={3} />
      ) : entitlements.data.items.length === 0 ? (
        <Empty icon="keys" title="No entitlements">
          What it may use of a feature is set with <code>POST /api/v2/customers/…/entitlements</code>.
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
              </tr>
            </thead>
            <tbody>
              {entitlements.data.items.map((one) => (
                <EntitlementRow
                  key={one.id}
                  entitlement={one}
                  access={access.data.entitlements[one.featureKey]}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function EntitlementRow({ entitlement, access }: { entitlement: Entitlement; access: Access | undefined }) {
  const { featureKey, type, isSoftLimit, currentUsagePeriod } = entitlement;
  const { usage, balance, totalAvailableGrantAmount: granted } = access ?? {};
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
      <td class="right number">{usage === undefined ? '' : exactNumber(String(usage))}</td>
      <td class="right number">{balance === undefined ? '' : exactNumber(String(balance))}</td>
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
    </tr>
  );
}
