import { useMemo } from 'preact/hooks';
import { Link } from 'wouter-preact';
import type { Meter, UsageRow } from '../../api/queries.ts';
import { change, dateTime, exactNumber, wholeNumber, windowName, zoneShort } from '../../app/format.ts';
import { linkTo, useUrlState } from '../../app/search.ts';
import { SelectField } from '../../ui/form.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Card, Skeleton, SkeletonRows } from '../../ui/parts.tsx';
import { type Column, VirtualTable } from '../../ui/virtualTable.tsx';
import { measured } from '../meters/draft.ts';
import { windowLabels } from './range.ts';
import { type ExploreState, filterParameters, hasTop, isAdditive, topChoices } from './state.ts';
import { exactOf, groupOf, otherGroups, type useExplored } from './usage.ts';

type Explored = ReturnType<typeof useExplored>;
interface Props {
  meter: Meter;
  state: ExploreState;
  explored: Explored;
}

/** The one number, and how it compares. */
export function Total({ meter, state, explored }: Props) {
  const { total, totalBefore, before } = explored;
  const rows = total.data ?? [];
  const row = rows[0];
  const earlier = totalBefore.data?.[0];
  return (
    <section class="card" style={{ padding: '14px 16px' }}>
      <div class="row between" style={{ alignItems: 'flex-end' }}>
        <div class="stack" style={{ gap: '2px' }}>
          <span class="muted small strong">
            {aggregationText(meter, state)} of {oneLine(measured(meter) || 'events')}
          </span>
          <span class="big-number number" data-testid="total" style={{ minHeight: '2.3rem' }}>
            {!total.data ? (
              <Skeleton height={30} width="180px" />
            ) : row ? (
              exactNumber(totalText(rows, meter) ?? '–')
            ) : (
              '0'
            )}
          </span>
          <span class="muted small">
            {dateTime(state.range.from, state.zone)} to {dateTime(state.range.to, state.zone)} ({state.zone},{' '}
            {zoneShort(state.zone, new Date(state.range.to))})
            {state.asOf && `, as of ${dateTime(state.asOf, state.zone)}`}
          </span>
        </div>
        {before && totalBefore.data && (
          <div class="right" data-testid="compared">
            <div
              class={row && earlier && row.value >= earlier.value ? 'delta-up strong' : 'delta-down strong'}
            >
              {row && earlier ? change(row.value, earlier.value) : ''}
            </div>
            <div class="muted small">
              before: {earlier ? exactNumber(exactOf(earlier)!) : 'no usage'}, from{' '}
              {dateTime(before.from, state.zone)} on
            </div>
          </div>
        )}
      </div>
    </section>
  );
}

function aggregationText({ aggregation }: Meter, { percentile = 50 }: ExploreState): string {
  return aggregation === 'PERCENTILE' ? `PERCENTILE ${percentile}` : aggregation;
}

/** Several subjects come as a row each; where they add up, as one number, exactly. */
function totalText(rows: readonly UsageRow[], meter: Meter): string | undefined {
  if (rows.length === 1) return exactOf(rows[0]);
  return isAdditive(meter) ? sumExact(rows.map((row) => exactOf(row)!)) : undefined;
}

/** Decimals added up without a double. */
export function sumExact(texts: readonly string[]): string | undefined {
  if (!texts.every((text) => /^-?\d+(\.\d+)?$/.test(text))) return undefined;
  const scale = Math.max(0, ...texts.map((text) => text.split('.')[1]?.length ?? 0));
  const sum = texts.reduce((total, text) => {
    const [whole = '', fraction = ''] = text.split('.');
    return total + BigInt(whole + fraction.padEnd(scale, '0'));
  }, 0n);
  const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0');
  const fraction = scale > 0 ? digits.slice(-scale).replace(/0+$/, '') : '';
  const whole = scale > 0 ? digits.slice(0, -scale) : digits;
  return `${sum < 0n ? '-' : ''}${whole}${fraction && `.${fraction}`}`;
}

const groupsHeight = 420;

/** Totals by group, the largest first. A click goes into the group. */
export function GroupTable({ meter, state, explored }: Props) {
  const url = useUrlState();
  const { groupBy } = state;
  const rows = explored.groups.data;
  const sorted = useMemo(() => largestFirst(rows ?? []), [rows]);
  if (!rows) return <SkeletonRows rows={4} />;
  const whole = isAdditive(meter) ? sorted.reduce((sum, row) => sum + row.value, 0) : 0;
  const into = (name: string, value: string) => {
    const group = groupBy.filter((one) => one !== name);
    if (name === 'subject') url.set({ subject: [value], group });
    else url.set({ filter: [...filterParameters(state.filters), `${name}=${value}`], group });
  };
  const columns: Column<UsageRow>[] = [
    ...groupBy.map((name, at) => ({
      title: name,
      width: 'minmax(140px, 1fr)',
      cell: (row: UsageRow) => {
        const value = groupOf(row, groupBy)[at]!;
        if (row.other) return <span class="muted">{value}</span>;
        return (
          <button
            type="button"
            class="chip"
            title={`Only ${name} = ${oneLine(value)}`}
            onClick={() => into(name, value)}
          >
            <span>{oneLine(value) || '(none)'}</span>
          </button>
        );
      },
    })),
    {
      title: meter.aggregation.toLowerCase(),
      width: 'minmax(140px, 220px)',
      right: true,
      cell: (row) => exactNumber(exactOf(row)!),
    },
    ...(whole > 0
      ? [
          {
            title: 'share',
            width: '110px',
            right: true,
            cell: (row: UsageRow) => `${((row.value / whole) * 100).toFixed(1)} %`,
          },
        ]
      : []),
    {
      title: 'events',
      width: '110px',
      right: true,
      cell: (row) => !row.other && <EventsLink meter={meter} state={state} row={row} />,
    },
  ];
  return (
    <Card
      title="By group"
      flush
      footer={groupsText(rows)}
      actions={hasTop(meter, groupBy) && <TopChoice state={state} />}
    >
      <VirtualTable rows={sorted} columns={columns} height={groupsHeight} label="Usage by group" />
    </Card>
  );
}

function TopChoice({ state }: { state: ExploreState }) {
  const url = useUrlState();
  return (
    <SelectField
      label="Groups"
      hideLabel
      value={String(state.top ?? '')}
      options={[
        { value: '', label: 'all groups' },
        ...topChoices.map((count) => ({ value: String(count), label: `the ${count} largest` })),
      ]}
      onValue={(top) => url.set({ top })}
    />
  );
}

/** All others, as one, come last. */
function largestFirst(rows: readonly UsageRow[]): UsageRow[] {
  const isOther = (row: UsageRow) => Number(row.other ?? false);
  return [...rows].sort((a, b) => isOther(a) - isOther(b) || b.value - a.value);
}

function groupsText(rows: readonly UsageRow[]): string {
  const groups = rows.filter(({ other }) => !other).length;
  return `${wholeNumber(groups)} groups${groups < rows.length ? ', the largest; all others are one' : ''}`;
}

function EventsLink({ meter, state, row }: { meter: Meter; state: ExploreState; row: UsageRow }) {
  const subject = row.subject ?? (state.subjects.length === 1 ? state.subjects[0] : undefined);
  const from = [state.range.from, row.windowStart].sort().at(-1);
  const to = [state.range.to, row.windowEnd].sort().at(0);
  return (
    <Link href={linkTo('/events', { type: meter.eventType, subject: subject ?? undefined, from, to })}>
      show
    </Link>
  );
}

const windowsHeight = 520;

/** Every window and group, with its exact value. */
export function WindowTable({ meter, state, explored }: Props) {
  const rows = explored.windows.data;
  if (!rows || rows.length === 0) return null;
  const hasSubject = state.groupBy.includes('subject') || state.subjects.length > 0;
  const groups = state.groupBy.filter((name) => name !== 'subject');
  const columns: Column<UsageRow>[] = [
    {
      title: `${windowLabels[state.window]} (${state.zone})`,
      width: 'minmax(190px, 1fr)',
      cell: (row) => windowName(row.windowStart, state.window, state.zone),
    },
    ...(hasSubject
      ? [
          {
            title: 'subject',
            width: 'minmax(140px, 1fr)',
            cell: (row: UsageRow) => (row.other ? otherGroups : oneLine(row.subject ?? '')),
          },
        ]
      : []),
    ...groups.map((name) => ({
      title: name,
      width: 'minmax(120px, 1fr)',
      cell: (row: UsageRow) => (row.other ? otherGroups : oneLine(row.groupBy?.[name] ?? '') || '(none)'),
    })),
    {
      title: meter.aggregation.toLowerCase(),
      width: 'minmax(140px, 220px)',
      right: true,
      cell: (row) => exactNumber(exactOf(row)!),
    },
    {
      title: 'events',
      width: '110px',
      right: true,
      cell: (row) => !row.other && <EventsLink meter={meter} state={state} row={row} />,
    },
  ];
  return (
    <Card title="By window" flush footer={`${wholeNumber(rows.length)} rows with usage`}>
      <VirtualTable rows={rows} columns={columns} height={windowsHeight} label="Usage by window" />
    </Card>
  );
}
