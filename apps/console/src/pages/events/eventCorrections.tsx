import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { IngestedEvent } from '../../api/queries.ts';
import { may } from '../../app/session.ts';
import { Icon } from '../../ui/icons.tsx';
import { Failure } from '../../ui/parts.tsx';
import { AmendEvent } from '../corrections/amendEvent.tsx';
import { CorrectionItem } from '../corrections/correctionItem.tsx';
import { VoidEvent } from '../corrections/voidEvents.tsx';

const shownMax = 20;

/** How an event was corrected, the newest correction first; an admin may void, amend and undo. */
export function EventCorrections({ item }: { item: IngestedEvent }) {
  const { source, id } = item.event;
  const [dialog, setDialog] = useState<'void' | 'amend'>();
  const history = useQuery({
    queryKey: ['corrections', source, id],
    queryFn: ({ signal }) =>
      dataOf(api.GET('/api/v1/corrections', { params: { query: { source, id, limit: shownMax } }, signal })),
  });
  const corrections = history.data?.items ?? [];
  return (
    <div class="stack tight">
      {history.error && <Failure error={history.error} />}
      {corrections.length > 0 && (
        <>
          <h3>Corrections</h3>
          <ul class="stack tight" data-testid="event-corrections">
            {corrections.map((correction) => (
              <li key={correction.id}>
                <CorrectionItem correction={correction} />
              </li>
            ))}
          </ul>
        </>
      )}
      {may.admin.value && (
        <div class="row">
          <button type="button" class="button small" onClick={() => setDialog('amend')}>
            <Icon name="edit" /> Amend
          </button>
          {item.correction?.action !== 'void' && (
            <button type="button" class="button small danger" onClick={() => setDialog('void')}>
              <Icon name="trash" /> Void
            </button>
          )}
        </div>
      )}
      {dialog === 'void' && <VoidEvent event={item.event} onClose={() => setDialog(undefined)} />}
      {dialog === 'amend' && (
        <AmendEvent
          event={item.event}
          now={corrections.find(({ undoneAt }) => !undoneAt)?.amended}
          onClose={() => setDialog(undefined)}
        />
      )}
    </div>
  );
}
