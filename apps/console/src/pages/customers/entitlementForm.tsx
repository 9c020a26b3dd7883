import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { type Entitlement, useFeatures } from '../../api/queries.ts';
import { jsonIssue } from '../../app/jsonText.ts';
import { zone } from '../../app/settings.ts';
import { CheckField, SelectField, TextArea, TextField } from '../../ui/form.tsx';
import { FormDialog, type IssueOf } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { toast } from '../../ui/parts.tsx';
import { FeatureForm } from './featureForm.tsx';

const types = [
  { value: 'metered', label: 'metered: an amount in each period' },
  { value: 'boolean', label: 'boolean: may be used' },
  { value: 'static', label: 'static: a configuration' },
] as const;
const intervals = [
  { value: 'DAY', label: 'day' },
  { value: 'WEEK', label: 'week' },
  { value: 'MONTH', label: 'month' },
  { value: 'YEAR', label: 'year' },
] as const;

/** Gives a customer an entitlement to a feature. */
export function EntitlementForm({ customerId, onClose }: { customerId: string; onClose: () => void }) {
  const client = useQueryClient();
  const features = useFeatures();
  const [isCreating, setCreating] = useState(false);
  const [chosen, setFeature] = useState<string>();
  const [type, setType] = useState<Entitlement['type']>('metered');
  const [metered, setMetered] = useState<MeteredDraft>({ amount: '1000', interval: 'MONTH', isSoft: false });
  const [config, setConfig] = useState('{}');
  const keys = (features.data ?? []).map(({ key }) => key);
  const featureKey = chosen ?? keys[0] ?? '';
  const issue = type === 'static' ? jsonIssue(config) : undefined;
  const save = async () => {
    const body = {
      type,
      featureKey,
      ...(type === 'metered' && meteredBody(metered)),
      ...(type === 'static' && { config }),
    };
    const params = { path: { customerIdOrKey: customerId } };
    await api.POST('/api/v2/customers/{customerIdOrKey}/entitlements', { params, body });
    await client.invalidateQueries();
    toast(`The customer may use ${featureKey}.`);
  };
  return (
    <FormDialog
      title="Give an entitlement"
      action="Give the entitlement"
      disabled={featureKey === '' || issue !== undefined}
      onClose={onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <div class="row nowrap bottom">
            <SelectField
              label="Feature"
              value={featureKey}
              options={
                keys.length > 0
                  ? keys.map((value) => ({ value, label: value }))
                  : [{ value: '', label: 'none yet: create one' }]
              }
              onValue={setFeature}
              issue={issueOf('featureKey')}
            />
            <button type="button" class="button" onClick={() => setCreating(true)}>
              <Icon name="plus" /> New feature
            </button>
          </div>
          <SelectField label="Type" value={type} options={types} onValue={setType} issue={issueOf('type')} />
          {type === 'metered' && <Metered value={metered} onChange={setMetered} issueOf={issueOf} />}
          {type === 'static' && (
            <TextArea
              label="Configuration (JSON)"
              code
              rows={5}
              value={config}
              onValue={setConfig}
              issue={issue ?? issueOf('config')}
            />
          )}
          {isCreating && <FeatureForm onCreated={setFeature} onClose={() => setCreating(false)} />}
        </>
      )}
    </FormDialog>
  );
}

interface MeteredDraft {
  amount: string;
  interval: (typeof intervals)[number]['value'];
  isSoft: boolean;
}

function meteredBody({ amount, interval, isSoft }: MeteredDraft) {
  return {
    usagePeriod: { interval, timeZone: zone.value },
    ...(amount.trim() && { issueAfterReset: amount.trim() }),
    isSoftLimit: isSoft,
    measureUsageFrom: 'CURRENT_PERIOD_START',
  };
}

function Metered({
  value,
  onChange,
  issueOf,
}: {
  value: MeteredDraft;
  onChange: (value: MeteredDraft) => void;
  issueOf: IssueOf;
}) {
  return (
    <>
      <div class="fields">
        <TextField
          label="Amount in each period"
          hint="Empty: only what grants give"
          inputMode="decimal"
          value={value.amount}
          onValue={(amount) => onChange({ ...value, amount })}
          issue={issueOf('issueAfterReset')}
        />
        <SelectField
          label="Period"
          hint="The first one begins now"
          value={value.interval}
          options={intervals}
          onValue={(interval) => onChange({ ...value, interval })}
          issue={issueOf('usagePeriod')}
        />
      </div>
      <CheckField
        label="Soft limit: access goes on where nothing is left"
        checked={value.isSoft}
        onValue={(isSoft) => onChange({ ...value, isSoft })}
      />
    </>
  );
}
