import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import { wholeNumber } from '../../app/format.ts';
import { type UrlState, useUrlState } from '../../app/search.ts';
import { may } from '../../app/session.ts';
import { oneLine } from '../../ui/json.tsx';
import { PageTurner, pageIn, pageSize } from '../../ui/lists.tsx';
import { Card, Failure, PageHead, SkeletonRows } from '../../ui/parts.tsx';
import { Channels, type NamesOfChannels, namesOf, useChannels } from './channels.tsx';
import { Fired } from './fired.tsx';
import { Rules, useRules } from './rules.tsx';

const pollMs = 5_000;

/** What fired, and whether it was delivered; the rules that decide it, and the channels that receive it. */
export function Notifications() {
  const url = useUrlState();
  const page = pageIn(url);
  const [rule, channel] = [url.get('rule'), url.get('channel')];
  const events = useQuery({
    queryKey: ['notification events', page, rule, channel],
    queryFn: ({ signal }) => {
      const of = { ...(rule && { rule: [rule] }), ...(channel && { channel: [channel] }) };
      const query = { page, pageSize, orderBy: 'createdAt', order: 'DESC', ...of } as const;
      return dataOf(api.GET('/api/v1/notification/events', { params: { query }, signal }));
    },
    refetchInterval: pollMs,
    placeholderData: keepPreviousData,
  });
  const rules = useRules();
  const channels = useChannels();
  const names = namesOf(channels.data?.items);
  // All at once, so that nothing moves as the parts arrive.
  const isWaiting = events.isPending || rules.isPending || (may.admin.value && channels.isPending);
  const { data } = events;
  return (
    <>
      <PageHead
        title="Notifications"
        about="What fired: thresholds that usage reached, and resets. Each event is delivered to the channels of its rule."
      />
      {events.error && <Failure error={events.error} retry={() => void events.refetch()} />}
      {isWaiting ? (
        <Card title="What fired" flush>
          <SkeletonRows rows={12} />
        </Card>
      ) : (
        <>
          {data && (
            <Card
              title="What fired"
              flush
              actions={<Narrowed url={url} names={names} />}
              footer={`${wholeNumber(data.totalCount)} in all`}
            >
              <Fired events={data.items} names={names} isNarrowed={!!(rule || channel)} />
            </Card>
          )}
          {data && <PageTurner url={url} totalCount={data.totalCount} before="Newer" next="Older" />}
          <Rules />
          {may.admin.value && <Channels />}
        </>
      )}
    </>
  );
}

/** The rule or channel that the list is narrowed to; each can be removed. */
function Narrowed({ url, names }: { url: UrlState; names: NamesOfChannels }) {
  const rules = useRules().data?.items ?? [];
  const [rule, channel] = [url.get('rule'), url.get('channel')];
  const chips = [
    rule && { name: 'rule', text: rules.find(({ id }) => id === rule)?.name ?? rule },
    channel && { name: 'channel', text: names.get(channel) ?? channel },
  ].filter((chip) => !!chip);
  if (chips.length === 0) return null;
  return (
    <span class="row tight">
      {chips.map(({ name, text }) => (
        <span class="chip" key={name}>
          <span>
            {name} = {oneLine(text)}
          </span>
          <button
            type="button"
            aria-label={`Remove the filter on the ${name}`}
            onClick={() => url.set({ [name]: undefined, page: undefined })}
          >
            ×
          </button>
        </span>
      ))}
    </span>
  );
}
