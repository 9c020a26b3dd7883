import { useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import { wholeNumber } from '../../app/format.ts';
import { Card, Failure, SkeletonRows } from '../../ui/parts.tsx';
import { namesOf, useChannels } from '../notifications/channels.tsx';
import { Fired } from '../notifications/fired.tsx';

const shownMax = 10;
const pollMs = 5_000;

/** What fired for the customer's subjects, the newest first, and what was delivered. */
export function CustomerNotifications({ subjects }: { subjects: string[] }) {
  const events = useQuery({
    queryKey: ['notification events', 'of', subjects],
    enabled: subjects.length > 0,
    queryFn: ({ signal }) => {
      const order = { orderBy: 'createdAt', order: 'DESC' } as const;
      const query = { pageSize: shownMax, subject: subjects, ...order };
      return dataOf(api.GET('/api/v1/notification/events', { params: { query }, signal }));
    },
    refetchInterval: pollMs,
  });
  const names = namesOf(useChannels().data?.items);
  const { data } = events;
  return (
    <Card
      title="Notifications"
      flush
      footer={
        data && data.totalCount > shownMax && `The newest ${shownMax} of ${wholeNumber(data.totalCount)}`
      }
    >
      {events.error ? (
        <div style={{ padding: '16px' }}>
          <Failure error={events.error} retry={() => void events.refetch()} />
        </div>
      ) : data ? (
        <Fired events={data.items} names={names} isNarrowed={false} />
      ) : (
        <SkeletonRows rows={4} />
      )}
    </Card>
  );
}
