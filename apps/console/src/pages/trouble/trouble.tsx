import { useInfiniteQuery, useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { DeadLetter } from '../../api/queries.ts';
import { bytes, wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import {
  Badge,
  Card,
  Empty,
  Fault,
  PageHead,
  Segmented,
  SkeletonRows,
  Time,
  toast,
} from '../../ui/parts.tsx';
import { EditLetter } from './editLetter.tsx';

const pageSize = 50;
const redriveMax = 100;
const shows = [
  { value: 'open', label: 'To be mended' },
  { value: 'all', label: 'All' },
] as const;

/** Dead letters: what could not be stored, why, and back into the stream. */
export function Trouble() {
  const url = useUrlState();
  const show = url.get('show') === 'all' ? 'all' : 'open';
  const client = useQueryClient();
  const [editing, setEditing] = useState<DeadLetter>();
  const letters = useInfiniteQuery({
    queryKey: ['dead letters'],
    queryFn: ({ pageParam, signal }) =>
      dataOf(
        api.GET('/api/v1/dead-letters', {
          params: { query: { limit: pageSize, ...(pageParam && { before: pageParam }) } },
          signal,
        }),
      ),
    initialPageParam: '',
    getNextPageParam: ({ items }) => (items.length === pageSize ? items.at(-1)?.id : undefined),
  });
  const all = letters.data?.pages.flatMap(({ items }) => items) ?? [];
  const shown = all.filter(({ redrivenAt }) => show === 'all' || redrivenAt === null);
  const redrive = async (ids: string[]) => {
    try {
      const { redriven } = await dataOf(api.POST('/api/v1/dead-letters/redrive', { body: { ids } }));
      toast(
        `${wholeNumber(redriven)} put back into the stream. Those that still cannot be stored come back here.`,
      );
      await client.invalidateQueries();
    } catch (error) {
      toast((error as Error).message, true);
    }
  };
  const open = all.filter(({ redrivenAt }) => redrivenAt === null).slice(0, redriveMax);
  return (
    <>
      <PageHead
        title="Trouble"
        about="Dead letters: events that could not be stored, with the reason. Nothing is lost: mend the cause, then drive them again."
      >
        <Segmented
          label="Which"
          options={shows}
          value={show}
          onChange={(value) => url.set({ show: value === 'all' ? 'all' : undefined })}
        />
        {open.length > 1 && (
          <button type="button" class="button" onClick={() => void redrive(open.map(({ id }) => id))}>
            <Icon name="refresh" /> Drive {wholeNumber(open.length)} again
          </button>
        )}
      </PageHead>
      {letters.error && <Fault error={letters.error} retry={() => void letters.refetch()} />}
      {letters.isPending ? (
        <Card flush>
          <SkeletonRows rows={6} />
        </Card>
      ) : (
        !letters.error &&
        shown.length === 0 && (
          <Card>
            <Empty
              icon="check"
              title={all.length > 0 ? 'All dead letters were driven again' : 'No dead letters'}
            >
              Every event that was accepted is stored. What cannot be stored appears here, with the reason.
            </Empty>
          </Card>
        )
      )}
      <div class="stack">
        {shown.map((letter) => (
          <Letter
            key={letter.id}
            letter={letter}
            onRedrive={() => void redrive([letter.id])}
            onEdit={() => setEditing(letter)}
          />
        ))}
      </div>
      {letters.hasNextPage && (
        <button
          type="button"
          class="button"
          disabled={letters.isFetchingNextPage}
          onClick={() => void letters.fetchNextPage()}
        >
          Show older ones
        </button>
      )}
      {editing && <EditLetter letter={editing} onClose={() => setEditing(undefined)} />}
    </>
  );
}

function Letter({
  letter,
  onRedrive,
  onEdit,
}: {
  letter: DeadLetter;
  onRedrive: () => void;
  onEdit: () => void;
}) {
  const { id, kind, reason, createdAt, redrivenAt } = letter;
  return (
    <Card
      title={
        <span class="row tight">
          <Badge kind={redrivenAt ? undefined : 'bad'}>{kind}</Badge>{' '}
          <span class="break">{oneLine(reason)}</span>
        </span>
      }
      actions={
        <span class="row tight">
          <span class="muted small nowrap">
            #{id}, <Time at={createdAt} />
          </span>
          {redrivenAt ? (
            <Badge>
              driven again <Time at={redrivenAt} />
            </Badge>
          ) : (
            <>
              {kind === 'event' && (
                <button type="button" class="button small" onClick={onEdit}>
                  <Icon name="edit" /> Edit
                </button>
              )}
              <button type="button" class="button small" onClick={onRedrive}>
                <Icon name="refresh" /> Drive again
              </button>
            </>
          )}
        </span>
      }
    >
      {kind === 'event' ? (
        <JsonView value={letter.event} label={`Dead letter ${id} as JSON`} />
      ) : (
        <p class="soft">
          A frame of {bytes(Math.round(((letter.frame?.length ?? 0) * 3) / 4))} that no processor could read:
          a newer version may.
        </p>
      )}
    </Card>
  );
}
