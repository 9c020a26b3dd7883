/** biome-ignore-all lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard */
import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import type { Evaluation } from '../../api/queries.ts';
import { ago, exactNumber, wholeNumber } from '../../app/format.ts';
import { useSettled } from '../../app/settled.ts';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Empty, Failure, SkeletonRows } from '../../ui/parts.tsx';
import { type Draft, previewOf } from './draft.ts';

function useEvaluation(meter: ReturnType<typeof previewOf>) {
  return useQuery({
    queryKey: ['preview', meter],
    enabled: meter !== undefined,
    queryFn: ({ signal }) => dataOf(api.POST('/api/v1/meters/evaluate', { body: { meter: meter! }, signal })),
    placeholderData: keepPreviousData,
  });
}

/** What the meter would make of the newest events of its type, before it is saved. */
export function Preview({ draft }: { draft: Draft }) {
  const wanted = previewOf(draft);
  const meter = useSettled(wanted, JSON.stringify(wanted));
  const preview = useEvaluation(meter);
  return (
    <Card title="Preview with real events" flush>
      {!meter ? (
        <Empty icon="meters" title="Nothing to try yet">
          Choose a type of event and where its value lies: what each of the newest events would give appears
          here.
        </Empty>
      ) : preview.error ? (
        <div style={{ padding: '16px' }}>
          <Failure error={preview.error} />
        </div>
      ) : preview.data ? (
        <Outcomes evaluation={preview.data} meterType={meter.eventType} />
      ) : (
        <SkeletonRows rows={6} />
      )}
    </Card>
  );
}

const shownMax = 100;

function Outcomes({ evaluation, meterType }: { evaluation: Evaluation; meterType: string }) {
  const rows = evaluation.items.flatMap((item) => item.meters.map((outcome) => ({ item, outcome })));
  if (rows.length === 0) {
    return (
      <Empty icon="events" title="No event of this type yet">
        Events of type “{oneLine(meterType)}” will be measured as they come. Check the spelling, or send one
        first.
      </Empty>
    );
  }
  const counted = rows.filter(({ outcome }) => outcome.counted).length;
  const lacking = rows.length - counted;
  return (
    <>
      <p
        class="row"
        style={{ padding: '12px 16px', borderBottom: '1px solid var(--line)' }}
        data-testid="preview-summary"
      >
        <Badge kind={counted > 0 ? 'good' : 'bad'}>{wholeNumber(counted)} would count</Badge>
        {lacking > 0 && <Badge kind="warn">{wholeNumber(lacking)} would not</Badge>}
        <span class="muted small">of the newest {wholeNumber(rows.length)}</span>
      </p>
      <section
        style={{ maxHeight: '340px', overflow: 'auto' }}
        tabIndex={0}
        aria-label="What each event would give"
      >
        {rows.slice(0, shownMax).map(({ item, outcome }) => (
          <div class="preview-row" key={`${item.source} ${item.id}`}>
            <span class="clip" title={oneLine(item.id)}>
              {oneLine(item.subject)} <span class="muted small">{ago(item.ingestedAt)}</span>
            </span>
            {outcome.counted ? (
              <span class="number strong clip">
                {outcome.aggregation === 'UNIQUE_COUNT'
                  ? oneLine(outcome.value ?? '')
                  : exactNumber(outcome.value ?? '')}
              </span>
            ) : (
              <span class="small break" style={{ color: 'var(--warn)', gridColumn: 'span 2' }}>
                {oneLine(outcome.reason ?? '')}
              </span>
            )}
            {outcome.counted && (
              <span class="row tight">
                {Object.entries(outcome.groupBy ?? {}).map(([name, value]) => (
                  <Badge key={name}>
                    {name} = {oneLine(value) || '(none)'}
                  </Badge>
                ))}
              </span>
            )}
          </div>
        ))}
      </section>
    </>
  );
}

/** The paths that exist in the data of this type, to be clicked. */
export function Paths(props: {
  eventType: string;
  canValue: boolean;
  needsNumber: boolean;
  canFilter: boolean;
  onFilter: (path: string, example: string) => void;
  onValue: (path: string) => void;
  onGroup: (path: string) => void;
}) {
  const eventType = useSettled(props.eventType.trim(), props.eventType.trim());
  const found = useEvaluation(
    eventType === '' ? undefined : { eventType, aggregation: 'COUNT', groupBy: {} },
  );
  const paths = found.data?.paths ?? [];
  if (eventType !== '' && found.isPending)
    return (
      <Card title="What is in their data" flush>
        <SkeletonRows rows={5} height={26} />
      </Card>
    );
  if (eventType === '' || paths.length === 0) return null;
  return (
    <Card title="What is in their data" flush footer="Click to use a path.">
      <div class="paths">
        {paths.map(({ path, events, numbers, examples }) => (
          <div class="path-row" key={path}>
            <span class="mono small break">{oneLine(path)}</span>
            <span class="clip muted small" title={`in ${events} of the newest events`}>
              {examples.map(oneLine).join(', ')}
            </span>
            <span class="row tight">
              {props.canValue && (!props.needsNumber || numbers > 0) && (
                <button
                  type="button"
                  class="button small"
                  aria-label={`Use ${path} as value`}
                  onClick={() => props.onValue(path)}
                >
                  Value
                </button>
              )}
              <button
                type="button"
                class="button small"
                aria-label={`Group by ${path}`}
                onClick={() => props.onGroup(path)}
              >
                Group by
              </button>
              {props.canFilter && (
                <button
                  type="button"
                  class="button small"
                  aria-label={`Filter by ${path}`}
                  onClick={() => props.onFilter(path, examples[0] ?? '')}
                >
                  Filter
                </button>
              )}
            </span>
          </div>
        ))}
      </div>
    </Card>
  );
}
