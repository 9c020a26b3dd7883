import { useQueryClient } from '@tanstack/preact-query';
import { api } from '../../api/client.ts';
import type { Entitlement } from '../../api/queries.ts';
import { FormDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';
import { toast } from '../../ui/parts.tsx';

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
  const client = useQueryClient();
  const name = oneLine(entitlement.featureKey);
  const params = {
    path: { customerIdOrKey: props.customerId, entitlementIdOrFeatureKey: entitlement.id },
  };
  const one = '/api/v2/customers/{customerIdOrKey}/entitlements/{entitlementIdOrFeatureKey}' as const;
  const save = async () => {
    if (kind === 'end') await api.DELETE(one, { params });
    else await api.POST(`${one}/reset`, { params, body: { retainAnchor: true } });
    await client.invalidateQueries();
    toast(
      kind === 'end' ? `The entitlement to ${name} has ended.` : `A new usage period of ${name} has begun.`,
    );
  };
  return (
    <FormDialog
      title={kind === 'end' ? `End the entitlement to ${name}?` : `Reset the usage of ${name}?`}
      action={kind === 'end' ? 'End the entitlement' : 'Reset the usage'}
      danger
      onClose={props.onClose}
      onSubmit={save}
    >
      <p>
        {kind === 'end'
          ? 'The customer may not use the feature from now on. Its usage and history stay.'
          : 'A new usage period begins now: what was used so far no longer counts, and grants roll over.'}
      </p>
    </FormDialog>
  );
}
