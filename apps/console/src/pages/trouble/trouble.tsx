import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { DeadLetter } from '../../api/queries.ts';
import { bytes, wholeNumber } from '../../app/format.ts';
import { useUrlState } from '../../app/search.ts';
import { Icon } from '../../ui/icons.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { chunkOf, MoreButton, pageSize, useChunks } from '../../ui/lists.tsx';
import {
  Badge,
  Card,
  Empty,
  Failure,
  PageHead,
  Segmented,
  SkeletonRows,
  Time,
  toast,
} from '../../ui/parts.tsx';
import { EditLetter } from './editLetter.tsx';

const redriveMax = 100;
const shows = [
  { value: 'open', label: 'Open' },
  { value: 'all', label: 'All' },
] as const;

/** Dead letters: what could not be stored, and why; edited and put back into the stream. */
export function Trouble() {
  const url = useUrlState();
  const show = url.get('show') === 'all' ? 'all' : 'open';
  const client = useQueryClient();
  const [editing, setEditing] = useState<DeadLetter>();
  const letters = useChunks(['dead letters'], async (before, signal) => {
    const query = { limit: pageSize, ...(before && { before }) };
    return chunkOf((await dataOf(api.GET('/api/v1/dead-letters', { params: { query }, signal }))).items);
  });
  const all = letters.items;
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
        about="Dead letters: events that could not be stored, with the reason. Nothing is lost: fix the cause, then re-drive them."
      >
        <Segmented
          label="Which"
          options={shows}
          value={show}
          onChange={(value) => url.set({ show: value === 'all' ? 'all' : undefined })}
        />
        {open.length > 1 && (
          <button type="button" class="button" onClick={() => void redrive(open.map(({ id }) => id))}>
            <Icon name="refresh" /> Re-drive {wholeNumber(open.length)}
          </button>
        )}
      </PageHead>
      {letters.error && <Failure error={letters.error} retry={() => void letters.refetch()} />}
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
              title={all.length > 0 ? 'All dead letters were re-driven' : 'No dead letters'}
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
      <MoreButton list={letters} label="Show older dead letters" />
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
              re-driven <Time at={redrivenAt} />
            </Badge>
          ) : (
            <>
              {kind === 'event' && (
                <button type="button" class="button small" onClick={onEdit}>
                  <Icon name="edit" /> Edit
                </button>
              )}
              <button type="button" class="button small" onClick={onRedrive}>
                <Icon name="refresh" /> Re-drive
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
          A frame of {bytes(Math.round(((letter.frame?.length ?? 0) * 3) / 4))} that no processor could read.
          A newer version may be able to.
        </p>
      )}
    </Card>
  );
}
