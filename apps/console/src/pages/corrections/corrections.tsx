import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import type { Correction } from '../../api/queries.ts';
import { linkTo } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { chunkOf, MoreButton, pageSize, useChunks } from '../../ui/lists.tsx';
import { Card, Empty, Failure, PageHead, SkeletonRows } from '../../ui/parts.tsx';
import { CorrectionItem } from './correctionItem.tsx';
import { VoidMany } from './voidEvents.tsx';

/** What was voided and amended, the newest first, those that were undone too. */
export function Corrections() {
  const [isVoiding, setVoiding] = useState(false);
  const corrections = useChunks(['corrections'], async (before, signal) => {
    const query = { limit: pageSize, ...(before && { before }) };
    return chunkOf((await dataOf(api.GET('/api/v1/corrections', { params: { query }, signal }))).items);
  });
  const { items } = corrections;
  return (
    <>
      <PageHead
        title="Corrections"
        about="Events that count no more, or otherwise than they came. The events themselves stay; a correction can be undone."
      >
        {may.admin.value && (
          <button type="button" class="button" onClick={() => setVoiding(true)}>
            <Icon name="trash" /> Void many events
          </button>
        )}
      </PageHead>
      {corrections.error && <Failure error={corrections.error} retry={() => void corrections.refetch()} />}
      <Card flush>
        {corrections.isPending ? (
          <SkeletonRows rows={5} />
        ) : items.length === 0 ? (
          !corrections.error && (
            <Empty icon="check" title="No corrections">
              An event can be voided or amended where it is shown in{' '}
              <Link href="/events">the list of events</Link>.
            </Empty>
          )
        ) : (
          <CorrectionTable corrections={items} />
        )}
      </Card>
      <MoreButton list={corrections} label="Show older corrections" />
      {isVoiding && <VoidMany first={{}} onClose={() => setVoiding(false)} />}
    </>
  );
}

function CorrectionTable({ corrections }: { corrections: Correction[] }) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Correction</th>
            <th>Event</th>
            <th>Type</th>
          </tr>
        </thead>
        <tbody>
          {corrections.map((correction) => {
            const { source, id, type } = correction.event;
            return (
              <tr key={correction.id}>
                <td>
                  <CorrectionItem correction={correction} />
                </td>
                <td>
                  <Link class="mono small break" href={linkTo('/events', { source, id })}>
                    {oneLine(id)}
                  </Link>
                </td>
                <td class="break">{oneLine(type)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
