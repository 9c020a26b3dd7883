import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api } from '../../api/client.ts';
import { type NotificationRule, useFeatures } from '../../api/queries.ts';
import { zone } from '../../app/settings.ts';
import { CheckField, SelectField, TextField } from '../../ui/form.tsx';
import { FormDialog } from '../../ui/formDialog.tsx';
import { oneLine } from '../../ui/json.tsx';
import { toast } from '../../ui/parts.tsx';
import { useChannels } from './channels.tsx';
import { Choices } from './choices.tsx';
import { bodyOfRule, draftOfRule, kindNames, type RuleDraft, type RuleKind } from './ruleDraft.ts';
import { Thresholds } from './thresholds.tsx';
import { WatchedUsage } from './watchedUsage.tsx';

const kinds = Object.entries(kindNames).map(([value, label]) => ({ value: value as RuleKind, label }));

/** Creates a rule, or changes one; its kind stays as it was. */
export function RuleForm({ rule, onClose }: { rule: NotificationRule | undefined; onClose: () => void }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState(() => draftOfRule(rule, zone.value));
  const change = (changes: Partial<RuleDraft>) => setDraft({ ...draft, ...changes });
  const save = async () => {
    const body = bodyOfRule(draft, rule);
    const params = { path: { ruleId: rule?.id ?? '' } };
    await (rule
      ? api.PUT('/api/v1/notification/rules/{ruleId}', { params, body })
      : api.POST('/api/v1/notification/rules', { body }));
    await client.invalidateQueries();
    toast(`${draft.name} is ${rule ? 'changed' : 'created'}.`);
  };
  return (
    <FormDialog
      title={rule ? `Edit the rule ${rule.name}` : 'Create a rule'}
      action={rule ? 'Save' : 'Create the rule'}
      wide
      onClose={onClose}
      onSubmit={save}
    >
      {(issueOf) => (
        <>
          <div class="fields">
            <TextField
              label="Name"
              value={draft.name}
              onValue={(name) => change({ name })}
              required
              issue={issueOf('name')}
            />
            <SelectField
              label="Fires at a"
              value={draft.type}
              options={kinds}
              disabled={rule !== undefined}
              onValue={(type) => change({ type, thresholds: thresholdsFor(type, draft.thresholds) })}
            />
          </div>
          {draft.type === 'usage.threshold' && (
            <WatchedUsage draft={draft} onChange={change} issueOf={issueOf} />
          )}
          {draft.type !== 'entitlements.reset' && (
            <Thresholds draft={draft} onChange={change} issue={issueOf('thresholds')} />
          )}
          {draft.type !== 'usage.threshold' && (
            <Features draft={draft} onChange={change} issue={issueOf('features')} />
          )}
          <ChosenChannels draft={draft} onChange={change} issue={issueOf('channels')} />
          <CheckField
            label="Enabled"
            checked={draft.isEnabled}
            onValue={(isEnabled) => change({ isEnabled })}
          />
        </>
      )}
    </FormDialog>
  );
}

/** A meter has no balance and no whole, so its usage alone can be a threshold. */
function thresholdsFor(type: RuleKind, thresholds: RuleDraft['thresholds']): RuleDraft['thresholds'] {
  if (type !== 'usage.threshold') return thresholds;
  return thresholds.map(({ value }) => ({ type: 'usage_value', value }));
}

interface PartProps {
  draft: RuleDraft;
  onChange: (changes: Partial<RuleDraft>) => void;
  issue: string | undefined;
}

function Features({ draft, onChange, issue }: PartProps) {
  const features = useFeatures();
  const keys = [...new Set([...(features.data ?? []).map(({ key }) => key), ...draft.features])];
  return (
    <Choices
      legend="Features (none = all)"
      options={keys.map((key) => ({ value: key, label: key }))}
      chosen={draft.features}
      onChange={(chosen) => onChange({ features: chosen })}
      empty="There are no features yet."
      issue={issue}
    />
  );
}

function ChosenChannels({ draft, onChange, issue }: PartProps) {
  const channels = useChannels();
  return (
    <Choices
      legend="Channels"
      options={(channels.data?.items ?? []).map(({ id, name }) => ({ value: id, label: oneLine(name) }))}
      chosen={draft.channels}
      onChange={(chosen) => onChange({ channels: chosen })}
      empty="Create a channel first: a rule needs one."
      issue={issue}
    />
  );
}
