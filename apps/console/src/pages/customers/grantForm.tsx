import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import type { Entitlement } from '../../api/queries.ts';
import { instantOf, localTime } from '../../app/clock.ts';
import { zone } from '../../app/settings.ts';
import { SelectField, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';
import { toast } from '../../ui/parts.tsx';

const durations = [
  { value: 'never', label: 'never' },
  { value: 'HOUR', label: 'hours' },
  { value: 'DAY', label: 'days' },
  { value: 'WEEK', label: 'weeks' },
  { value: 'MONTH', label: 'months' },
  { value: 'YEAR', label: 'years' },
] as const;
type Duration = (typeof durations)[number]['value'];

const recurrences = [
  { value: 'once', label: 'once' },
  { value: 'DAY', label: 'every day' },
  { value: 'WEEK', label: 'every week' },
  { value: 'MONTH', label: 'every month' },
  { value: 'YEAR', label: 'every year' },
] as const;
type Recurrence = (typeof recurrences)[number]['value'];

/** Grants an amount beyond those there are. */
export function GrantForm(props: { customerId: string; entitlement: Entitlement; onClose: () => void }) {
  const client = useQueryClient();
  const [amount, setAmount] = useState('');
  const [priority, setPriority] = useState('1');
  const [from, setFrom] = useState('');
  const [count, setCount] = useState('1');
  const [duration, setDuration] = useState<Duration>('never');
  const [recurrence, setRecurrence] = useState<Recurrence>('once');
  const save = async () => {
    const path = { customerIdOrKey: props.customerId, entitlementIdOrFeatureKey: props.entitlement.id };
    const body = bodyOf({ amount, priority, from, count, duration, recurrence });
    const route = '/api/v2/customers/{customerIdOrKey}/entitlements/{entitlementIdOrFeatureKey}/grants';
    await api.POST(route, { params: { path }, body });
    await client.invalidateQueries();
    toast('The grant is added.');
  };
  return (
    <FormDialog
      title={`Add a grant to ${oneLine(props.entitlement.featureKey)}`}
      action="Add the grant"
      onClose={props.onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <div class="fields">
            <TextField
              label="Amount"
              inputMode="decimal"
              value={amount}
              onValue={setAmount}
              required
              issue={issueOf('amount')}
            />
            <TextField
              label="Priority"
              hint="The lowest is used first"
              type="number"
              min="0"
              max="255"
              value={priority}
              onValue={setPriority}
              issue={issueOf('priority')}
            />
          </div>
          <TextField
            label={`From (${zone.value})`}
            hint="Empty is now; not before the current usage period"
            type="datetime-local"
            step="1"
            value={localTime(from)}
            onValue={(value) => setFrom(instantOf(value))}
            issue={issueOf('effectiveAt')}
          />
          <div class="fields">
            <End
              count={count}
              setCount={setCount}
              duration={duration}
              setDuration={setDuration}
              issue={issueOf('expiration')}
            />
            <SelectField
              label="Granted"
              value={recurrence}
              options={recurrences}
              onValue={setRecurrence}
              issue={issueOf('recurrence')}
            />
          </div>
        </>
      )}
    </FormDialog>
  );
}

function End(props: {
  count: string;
  setCount: (count: string) => void;
  duration: Duration;
  setDuration: (duration: Duration) => void;
  issue: string | undefined;
}) {
  const isEndless = props.duration === 'never';
  return (
    <>
      {!isEndless && (
        <TextField
          label="Ends after"
          type="number"
          min="1"
          value={props.count}
          onValue={props.setCount}
          issue={props.issue}
        />
      )}
      <SelectField
        label={isEndless ? 'Ends' : 'Unit'}
        value={props.duration}
        options={durations}
        onValue={props.setDuration}
      />
    </>
  );
}

interface GrantDraft {
  amount: string;
  priority: string;
  from: string;
  count: string;
  duration: Duration;
  recurrence: Recurrence;
}

function bodyOf({ amount, priority, from, count, duration, recurrence }: GrantDraft) {
  return {
    // As a text: not a digit is lost.
    amount: amount.trim(),
    priority: Number(priority),
    effectiveAt: from || new Date().toISOString(),
    ...(duration !== 'never' && { expiration: { duration, count: Number(count) } }),
    ...(recurrence !== 'once' && { recurrence: { interval: recurrence } }),
  };
}
