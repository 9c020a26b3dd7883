import { useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import { oneLine } from '../../ui/json.tsx';
import { Badge, Card, Fault, SkeletonRows } from '../../ui/parts.tsx';

/** Where notifications are sent. Secrets are left out. */
export function Channels() {
  const channels = useQuery({
    queryKey: ['channels'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v1/notification/channels', { signal })),
  });
  if (channels.error) return <Fault error={channels.error} retry={() => void channels.refetch()} />;
  return (
    <Card title="Channels" flush>
      {!channels.data ? (
        <SkeletonRows rows={2} />
      ) : channels.data.items.length === 0 ? (
        <p class="muted" style={{ padding: '16px' }}>
          None yet: POST /api/v1/notification/channels.
        </p>
      ) : (
        <div class="table-scroll">
          <table class="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>URL</th>
                <th>State</th>
              </tr>
            </thead>
            <tbody>
              {channels.data.items.map(({ id, name, url, disabled }) => (
                <tr key={id}>
                  <td class="strong break">{oneLine(name)}</td>
                  <td class="mono small break">{oneLine(url)}</td>
                  <td>{disabled ? <Badge kind="bad">disabled</Badge> : <Badge kind="good">on</Badge>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
