import { useMeters } from '../../api/queries.ts';
import { zoneNames } from '../../app/settings.ts';
import { SelectField, TextArea, TextField } from '../../ui/form.tsx';
import type { IssueOf } from '../../ui/formDialog.tsx';
import { Choices } from './choices.tsx';
import type { RuleDraft } from './ruleDraft.ts';

const owners = [
  { value: 'subject', label: 'each subject' },
  { value: 'customer', label: 'each customer' },
  { value: 'group', label: 'each group' },
  { value: 'all', label: 'all together' },
] as const;
const periods = [
  { value: 'DAY', label: 'a day' },
  { value: 'MONTH', label: 'a month' },
  { value: 'ROLLING', label: 'the last hours' },
] as const;

/** Whose usage of which meter a rule looks at, and in which time. */
export function WatchedUsage(props: {
  draft: RuleDraft;
  onChange: (changes: Partial<RuleDraft>) => void;
  issueOf: IssueOf;
}) {
  const { draft, onChange, issueOf } = props;
  const meters = useMeters();
  const slugs = (meters.data ?? []).map(({ slug }) => slug);
  const groups = Object.keys(meters.data?.find(({ slug }) => slug === draft.meterSlug)?.groupBy ?? {});
  return (
    <>
      <div class="fields">
        <SelectField
          label="Meter"
          value={draft.meterSlug}
          options={['', ...slugs].map((value) => ({ value, label: value || 'choose one' }))}
          onValue={(meterSlug) => onChange({ meterSlug, groupBy: [] })}
          issue={issueOf('usage.meterSlug')}
        />
        <SelectField label="Usage of" value={draft.of} options={owners} onValue={(of) => onChange({ of })} />
        <SelectField
          label="In"
          value={draft.period}
          options={periods}
          onValue={(period) => onChange({ period })}
        />
        {draft.period === 'ROLLING' ? (
          <TextField
            label="Hours"
            type="number"
            min="0.1"
            step="any"
            value={draft.hours}
            onValue={(hours) => onChange({ hours })}
            issue={issueOf('usage.seconds')}
          />
        ) : (
          <SelectField
            label="Time zone"
            value={draft.timeZone}
            options={[...new Set([draft.timeZone, ...zoneNames.value])].map((value) => ({
              value,
              label: value,
            }))}
            onValue={(timeZone) => onChange({ timeZone })}
          />
        )}
      </div>
      {draft.of === 'group' && (
        <Choices
          legend="Grouped by"
          options={groups.map((name) => ({ value: name, label: name }))}
          chosen={draft.groupBy}
          onChange={(groupBy) => onChange({ groupBy })}
          empty="The meter has no groups."
          issue={issueOf('usage.groupBy')}
        />
      )}
      {groups.length > 0 && (
        <TextArea
          label="Only usage with"
          hint={`One a line, like ${groups[0]}=value; may be left out`}
          code
          rows={2}
          value={draft.only}
          onValue={(only) => onChange({ only })}
          issue={issueOf('usage')}
        />
      )}
    </>
  );
}
