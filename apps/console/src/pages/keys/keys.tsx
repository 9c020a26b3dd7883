import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { ApiKey } from '../../api/queries.ts';
import { wholeNumber } from '../../app/format.ts';
import { Dialog } from '../../ui/form.tsx';
import { ConfirmDialog } from '../../ui/formDialog.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import {
  Badge,
  Card,
  CopyButton,
  Empty,
  Failure,
  Notice,
  PageHead,
  SkeletonRows,
  Time,
} from '../../ui/parts.tsx';
import { CreateKey } from './createKey.tsx';

export function Keys() {
  const keys = useQuery({
    queryKey: ['keys'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v1/keys', { signal })),
  });
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<{ name: string; key: string }>();
  const [revoking, setRevoking] = useState<ApiKey>();
  return (
    <>
      <PageHead
        title="API keys"
        about="Each key belongs to this namespace and does what its scopes allow. A key is shown once, when it is made."
      >
        <button type="button" class="button primary" onClick={() => setCreating(true)}>
          <Icon name="plus" /> Create a key
        </button>
      </PageHead>
      {keys.error && <Failure error={keys.error} retry={() => void keys.refetch()} />}
      <Card flush>
        {keys.isPending ? (
          <SkeletonRows rows={4} />
        ) : keys.data?.length ? (
          <KeyTable keys={keys.data} onRevoke={setRevoking} />
        ) : (
          !keys.error && (
            <Empty icon="keys" title="No keys yet">
              Applications that send events need a key with the scope “ingest”; dashboards need “read”.
            </Empty>
          )
        )}
      </Card>
      {creating && <CreateKey onClose={() => setCreating(false)} onMade={setMade} />}
      {made && (
        <Dialog title="The new key" onClose={() => setMade(undefined)}>
          <div class="body">
            <Notice kind="warn">Copy it now: it is shown this once, and nobody can look it up later.</Notice>
            <div class="secret" data-testid="new-key">
              {made.key}
            </div>
            <CopyButton text={made.key} label="Copy the key" />
          </div>
        </Dialog>
      )}
      {revoking && <Revoke apiKey={revoking} onClose={() => setRevoking(undefined)} />}
    </>
  );
}

function KeyTable({ keys, onRevoke }: { keys: ApiKey[]; onRevoke: (key: ApiKey) => void }) {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Key</th>
            <th>Scopes</th>
            <th>Limits</th>
            <th>Created</th>
            <th>Last used</th>
            <th>
              <span class="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key.id}>
              <td class="strong break">{oneLine(key.name)}</td>
              <td class="mono muted nowrap">usage_{key.prefix}_…</td>
              <td>
                <span class="row tight">
                  {key.scopes.map((scope) => (
                    <Badge key={scope} kind={scope === 'admin' ? 'warn' : 'accent'}>
                      {scope}
                    </Badge>
                  ))}
                </span>
              </td>
              <td class="soft small">{limitsOf(key)}</td>
              <td class="soft nowrap">
                <Time at={key.createdAt} />
              </td>
              <td class="soft nowrap">{key.lastUsedAt ? <Time at={key.lastUsedAt} /> : 'never'}</td>
              <td class="right">
                {key.revokedAt ? (
                  <Badge>revoked</Badge>
                ) : (
                  <button type="button" class="button danger small" onClick={() => onRevoke(key)}>
                    Revoke
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function limitsOf({ eventsPerSecond, requestsPerSecond }: ApiKey): string {
  const limits = [
    eventsPerSecond !== undefined && `${wholeNumber(eventsPerSecond)} events/s`,
    requestsPerSecond !== undefined && `${wholeNumber(requestsPerSecond)} requests/s`,
  ].filter(Boolean);
  return limits.length > 0 ? limits.join(', ') : 'none';
}

function Revoke({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const params = { path: { keyIdOrPrefix: apiKey.id } };
  return (
    <ConfirmDialog
      title={`Revoke ${oneLine(apiKey.name)}?`}
      action="Revoke the key"
      done={`${apiKey.name} is revoked.`}
      stale={['keys']}
      onClose={onClose}
      run={() => api.DELETE('/api/v1/keys/{keyIdOrPrefix}', { params })}
    >
      <p>
        Whatever uses <code>usage_{apiKey.prefix}_…</code> is refused within 5 seconds, and its portal tokens
        and sessions end. This cannot be undone.
      </p>
    </ConfirmDialog>
  );
}
