import { api } from '../../api/client.ts';
import type { Entitlement } from '../../api/queries.ts';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';

export interface EntitlementChange {
  kind: 'reset' | 'end';
  entitlement: Entitlement;
}

/** Begins a new usage period of an entitlement, or ends the entitlement. */
export function ChangeEntitlement(props: {
  customerId: string;
  change: EntitlementChange;
  onClose: () => void;
}) {
  const { kind, entitlement } = props.change;
  const name = oneLine(entitlement.featureKey);
  const params = {
    path: { customerIdOrKey: props.customerId, entitlementIdOrFeatureKey: entitlement.id },
  };
  const one = '/api/v2/customers/{customerIdOrKey}/entitlements/{entitlementIdOrFeatureKey}' as const;
  return kind === 'end' ? (
    <ConfirmDialog
      title={`End the entitlement to ${name}?`}
      action="End the entitlement"
      done={`The entitlement to ${name} has ended.`}
      onClose={props.onClose}
      run={() => api.DELETE(one, { params })}
    >
      <p>The customer may not use the feature from now on. Its usage and history stay.</p>
    </ConfirmDialog>
  ) : (
    <ConfirmDialog
      title={`Reset the usage of ${name}?`}
      action="Reset the usage"
      done={`A new usage period of ${name} has begun.`}
      onClose={props.onClose}
      run={() => api.POST(`${one}/reset`, { params, body: { retainAnchor: true } })}
    >
      <p>A new usage period begins now: what was used so far no longer counts, and grants roll over.</p>
    </ConfirmDialog>
  );
}
