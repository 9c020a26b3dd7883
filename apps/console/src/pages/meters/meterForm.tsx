import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { ApiError, api, dataOf } from '../../api/client.ts';
import type { Meter } from '../../api/queries.ts';
import { SelectField, TextField } from '../../ui/form.tsx';
import type { IssueOf } from '../../ui/formDialog.tsx';
import { Card, Failure, Notice, toast } from '../../ui/parts.tsx';
import {
  aggregations,
  type Draft,
  filtersOf,
  groupByOf,
  isLevel,
  nameOfPath,
  slugFor,
  timeUnitNames,
  timeUnitOf,
  valueOfMeter,
} from './draft.ts';
import { EventTypeField } from './eventTypeField.tsx';
import { MeterFilters } from './filters.tsx';
import { Groups } from './groups.tsx';
import { Paths, Preview } from './preview.tsx';

/** Creates a meter, or changes what can change of one; with a preview against real events beside it. */
export function MeterForm({ first, meter }: { first: Draft; meter?: Meter }) {
  const [draft, setDraft] = useState(first);
  const [error, setError] = useState<unknown>();
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const change = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const issueOf = (field: string) =>
    error instanceof ApiError ? error.issues.find((issue) => issue.field === field)?.reason : undefined;
  const issuesOf = (beginning: string) =>
    error instanceof ApiError
      ? error.issues
          .filter(({ field }) => field.startsWith(beginning))
          .map(({ field, reason }) => `${field} ${reason}`)
      : [];
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(undefined);
    try {
      const saved = await save(draft, meter);
      await client.invalidateQueries();
      toast(
        meter
          ? `${saved.slug} is changed.`
          : `${saved.slug} is created. It covers the events stored before it.`,
      );
      navigate(`/meters/${saved.slug}`);
    } catch (thrown) {
      setError(thrown);
    }
  };
  const isRegrouped = meter !== undefined && !sameGroups(groupByOf(draft), meter.groupBy ?? {});
  return (
    <form class="split even" onSubmit={submit}>
      <div class="stack">
        <Card title={meter ? 'What can change' : 'Definition'}>
          <div class="stack">
            {!meter && <Definition draft={draft} change={change} issueOf={issueOf} issuesOf={issuesOf} />}
            <Groups draft={draft} onChange={(groupBy) => change({ groupBy })} issues={issuesOf('groupBy')} />
            <Naming draft={draft} change={change} issueOf={issueOf} isNew={!meter} />
            {isRegrouped && (
              <Notice kind="warn" title="Another groupBy rebuilds the meter">
                It is made anew from the events that are kept; usage older than the oldest of them is lost.
                Queries stay exact meanwhile, and read the events until it is done.
              </Notice>
            )}
            {error !== undefined && <Failure error={error} />}
            <div class="row">
              <button type="submit" class="button primary">
                {meter ? 'Save' : 'Create the meter'}
              </button>
              <Link class="button quiet" href={meter ? `/meters/${meter.slug}` : '/meters'}>
                Cancel
              </Link>
            </div>
          </div>
        </Card>
      </div>
      <div class="stack">
        <Paths
          eventType={draft.eventType}
          canValue={!meter && draft.aggregation !== 'COUNT'}
          needsNumber={draft.aggregation !== 'UNIQUE_COUNT'}
          canFilter={!meter}
          onValue={(value) => change({ value })}
          onFilter={(name, value) =>
            change({ filters: [...draft.filters, { name, operator: '$eq', value }] })
          }
          onGroup={(path) =>
            change({
              groupBy: [
                ...draft.groupBy,
                {
                  name: nameOfPath(
                    path,
                    draft.groupBy.map(({ name }) => name),
                  ),
                  path,
                },
              ],
            })
          }
        />
        <Preview draft={draft} />
      </div>
    </form>
  );
}

async function save(draft: Draft, meter: Meter | undefined): Promise<Meter> {
  const texts = {
    ...(draft.name.trim() && { name: draft.name.trim() }),
    ...(draft.description.trim() && { description: draft.description.trim() }),
  };
  const changeable = { ...texts, groupBy: groupByOf(draft) };
  if (meter) {
    const params = { path: { meterIdOrSlug: meter.slug } };
    const metadata = meter.metadata ? { metadata: meter.metadata } : {};
    return dataOf(
      api.PUT('/api/v1/meters/{meterIdOrSlug}', { params, body: { ...changeable, ...metadata } }),
    );
  }
  const body = {
    ...changeable,
    slug: draft.slug.trim() || slugFor(draft),
    eventType: draft.eventType.trim(),
    aggregation: draft.aggregation,
    ...(draft.aggregation !== 'COUNT' && valueOfMeter(draft)),
    ...timeUnitOf(draft),
    ...filtersOf(draft),
  };
  return dataOf(api.POST('/api/v1/meters', { body }));
}

function sameGroups(a: Record<string, string>, b: Record<string, string>): boolean {
  const text = (groups: Record<string, string>) => JSON.stringify(Object.entries(groups).sort());
  return text(a) === text(b);
}

interface FieldsProps {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  issueOf: IssueOf;
}

/** What never changes of a meter. */
function Definition({
  draft,
  change,
  issueOf,
  issuesOf,
}: FieldsProps & { issuesOf: (beginning: string) => string[] }) {
  return (
    <>
      <EventTypeField
        value={draft.eventType}
        onValue={(eventType) => change({ eventType })}
        issue={issueOf('eventType')}
      />
      <div class="fields">
        <SelectField
          label="Aggregation"
          value={draft.aggregation}
          options={aggregations}
          onValue={(aggregation) => change({ aggregation })}
          issue={issueOf('aggregation')}
        />
        {draft.aggregation !== 'COUNT' && (
          <TextField
            label="Value"
            placeholder="$.tokens"
            hint="JSONPath in the data, or arithmetic over several: ($.end - $.start) / 60"
            class="mono"
            value={draft.value}
            onValue={(value) => change({ value })}
            issue={issueOf('valueProperty') ?? issueOf('valueExpression')}
          />
        )}
        {isLevel(draft.aggregation) && (
          <SelectField
            label="Time unit"
            value={draft.timeUnit}
            options={timeUnitNames.map((value) => ({ value, label: `${value.toLowerCase()}s` }))}
            onValue={(timeUnit) => change({ timeUnit })}
            issue={issueOf('timeUnit')}
          />
        )}
      </div>
      <MeterFilters
        filters={draft.filters}
        onChange={(filters) => change({ filters })}
        issues={issuesOf('filters')}
      />
    </>
  );
}

function Naming({ draft, change, issueOf, isNew }: FieldsProps & { isNew: boolean }) {
  return (
    <>
      <div class="fields">
        {isNew && (
          <TextField
            label="Slug"
            placeholder={slugFor(draft) || 'tokens_total'}
            hint="Its name in queries and URLs"
            class="mono"
            value={draft.slug}
            onValue={(slug) => change({ slug })}
            issue={issueOf('slug')}
          />
        )}
        <TextField
          label="Name"
          placeholder="for people"
          value={draft.name}
          onValue={(name) => change({ name })}
          issue={issueOf('name')}
        />
      </div>
      <TextField
        label="Description"
        value={draft.description}
        onValue={(description) => change({ description })}
        issue={issueOf('description')}
      />
    </>
  );
}
