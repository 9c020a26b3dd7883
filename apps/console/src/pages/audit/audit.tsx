import { useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import type { AuditEntry } from '../../api/queries.ts';
import { useUrlState } from '../../app/search.ts';
import { Dialog, TextField } from '../../ui/form.tsx';
import { JsonView, oneLine } from '../../ui/json.tsx';
import { MoreButton, pageSize, useChunks } from '../../ui/lists.tsx';
import { Badge, Card, Empty, Failure, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';

/** Who changed what, the newest first. */
export function Audit() {
  const url = useUrlState();
  const resource = url.get('resource');
  const [open, setOpen] = useState<AuditEntry>();
  const entries = useChunks(['audit', resource], async (cursor, signal) => {
    const query = { limit: pageSize, ...(resource && { resource }), ...(cursor && { cursor }) };
    const { items, nextCursor } = await dataOf(api.GET('/api/v1/audit', { params: { query }, signal }));
    return { items, next: nextCursor };
  });
  const { items } = entries;
  return (
    <>
      <PageHead title="Audit" about="Who changed what. Entries are never changed or deleted." />
      {entries.error && <Failure error={entries.error} retry={() => void entries.refetch()} />}
      <Card flush>
        <div class="filters">
          <TextField
            label="Kind of resource"
            hideLabel
            placeholder="customer, feature, …"
            value={resource ?? ''}
            onValue={(text) => url.set({ resource: text.trim() }, { replace: true })}
          />
        </div>
        {entries.isPending ? (
          <SkeletonRows rows={6} />
        ) : items.length === 0 ? (
          !entries.error && (
            <Empty icon="audit" title="Nothing was changed yet">
              Changes of customers, features, entitlements and the like appear here.
            </Empty>
          )
        ) : (
          <div class="table-scroll">
            <table class="table">
              <thead>
                <tr>
                  <th>When</th>
                  <th>Who</th>
                  <th>What</th>
                  <th>Resource</th>
                  <th>
                    <span class="visually-hidden">Details</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((entry) => (
                  <tr key={entry.id}>
                    <td class="nowrap">
                      <Time at={entry.at} />
                    </td>
                    <td class="mono small break">{oneLine(entry.actor)}</td>
                    <td>
                      <Badge kind="accent">{entry.action}</Badge> {entry.resource}
                    </td>
                    <td class="mono small break">{oneLine(entry.resourceId)}</td>
                    <td class="right">
                      <button type="button" class="button small" onClick={() => setOpen(entry)}>
                        Details
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
      <MoreButton list={entries} label="Show older changes" />
      {open && (
        <Dialog title={`${open.action} ${open.resource}`} wide onClose={() => setOpen(undefined)}>
          <div class="body">
            <JsonView value={open} label="The change as JSON" />
          </div>
        </Dialog>
      )}
    </>
  );
}
