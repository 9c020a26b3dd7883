import { useQuery, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { NotificationRule } from '../../api/queries.ts';
import { exactNumber } from '../../app/format.ts';
import { linkTo } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Failure, SkeletonRows, toast } from '../../ui/parts.tsx';
import { kindNames, thresholdText } from './ruleDraft.ts';
import { RuleForm } from './ruleForm.tsx';

const shownMax = 1_000;

export function useRules() {
  return useQuery({
    queryKey: ['rules'],
    queryFn: ({ signal }) => {
      const query = { pageSize: shownMax, includeDisabled: true };
      return dataOf(api.GET('/api/v1/notification/rules', { params: { query }, signal }));
    },
  });
}

/** What fires, and when. */
export function Rules() {
  const rules = useRules();
  const [editing, setEditing] = useState<NotificationRule | 'new'>();
  const [deleting, setDeleting] = useState<NotificationRule>();
  if (rules.error) return <Failure error={rules.error} retry={() => void rules.refetch()} />;
  return (
    <Card
      title="Rules"
      flush
      actions={
        may.admin.value && (
          <button type="button" class="button small" onClick={() => setEditing('new')}>
            <Icon name="plus" /> Create a rule
          </button>
        )
      }
    >
      {!rules.data ? (
        <SkeletonRows rows={2} />
      ) : rules.data.items.length === 0 ? (
        <Empty icon="bell" title="No rules yet">
          A rule says which thresholds fire, and to which channels its events are sent.
        </Empty>
      ) : (
        <RuleTable rules={rules.data.items} onEdit={setEditing} onDelete={setDeleting} />
      )}
      {editing && (
        <RuleForm rule={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
      {deleting && <DeleteRule rule={deleting} onClose={() => setDeleting(undefined)} />}
    </Card>
  );
}

function RuleTable(props: {
  rules: NotificationRule[];
  onEdit: (rule: NotificationRule) => void;
  onDelete: (rule: NotificationRule) => void;
}) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Fires at a</th>
            <th>Of</th>
            <th>State</th>
            <th>
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {props.rules.map((rule) => (
            <tr key={rule.id}>
              <td class="strong break">{oneLine(rule.name)}</td>
              <td>
                {kindNames[rule.type]}
                {rule.thresholds && (
                  <>
                    :{' '}
                    <span class="number">
                      {rule.thresholds.map((one) => thresholdText(one, exactNumber)).join(', ')}
                    </span>
                  </>
                )}
              </td>
              <td class="break soft">{scopeOf(rule)}</td>
              <td>
                {rule.disabled ? <Badge kind="warn">disabled</Badge> : <Badge kind="good">enabled</Badge>}
              </td>
              <td class="right">
                <RuleActions rule={rule} onEdit={props.onEdit} onDelete={props.onDelete} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function scopeOf({ type, features, usage }: NotificationRule): string {
  if (type === 'usage.threshold') {
    const { meterSlug, of, groupBy = [], period } = usage!;
    const owner = of === 'group' ? (groupBy ?? []).join(', ') : of;
    return oneLine(`${meterSlug} by ${owner}, ${period === 'ROLLING' ? 'rolling' : period.toLowerCase()}`);
  }
  return features ? oneLine(features.map(({ key }) => key).join(', ')) : 'all features';
}

function RuleActions(props: {
  rule: NotificationRule;
  onEdit: (rule: NotificationRule) => void;
  onDelete: (rule: NotificationRule) => void;
}) {
  const { rule } = props;
  const client = useQueryClient();
  const test = async () => {
    try {
      const params = { path: { ruleId: rule.id } };
      await api.POST('/api/v1/notification/rules/{ruleId}/test', { params });
      await client.invalidateQueries({ queryKey: ['notification events'] });
      toast('A test event is being sent to the channels of the rule.');
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  return (
    <span class="row tight end nowrap">
      <Link class="button small" href={linkTo('/notifications', { rule: rule.id })}>
        Events
      </Link>
      {may.admin.value && (
        <>
          <button type="button" class="button small" onClick={() => void test()}>
            Test
          </button>
          <button type="button" class="button small" onClick={() => props.onEdit(rule)}>
            Edit
          </button>
          <button type="button" class="button small danger" onClick={() => props.onDelete(rule)}>
            Delete
          </button>
        </>
      )}
    </span>
  );
}

function DeleteRule({ rule, onClose }: { rule: NotificationRule; onClose: () => void }) {
  const params = { path: { ruleId: rule.id } };
  return (
    <ConfirmDialog
      title={`Delete the rule ${oneLine(rule.name)}?`}
      action="Delete the rule"
      done={`${rule.name} is deleted.`}
      onClose={onClose}
      run={() => api.DELETE('/api/v1/notification/rules/{ruleId}', { params })}
    >
      <p>It fires no more. What has fired stays in the list.</p>
    </ConfirmDialog>
  );
}
