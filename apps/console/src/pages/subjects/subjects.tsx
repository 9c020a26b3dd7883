import { useQuery } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { api, dataOf } from '../../api/client.ts';
import { type Subject, useActivity } from '../../api/queries.ts';
import { linkTo } from '../../app/search.ts';
import { TextField } from '../../ui/form.tsx';
import { Icon } from '../../ui/icons.tsx';
import { oneLine } from '../../ui/json.tsx';
import { Card, Empty, Failure, PageHead, SkeletonRows, Time } from '../../ui/parts.tsx';
import { type Column, VirtualTable } from '../../ui/virtualTable.tsx';

const pollMs = 30_000;
const listHeight = 560;

/** Whose usage it is: those that were named, and those that events name. */
export function Subjects() {
  const [, navigate] = useLocation();
  const [key, setKey] = useState('');
  const subjects = useQuery({
    queryKey: ['subjects'],
    queryFn: ({ signal }) => dataOf(api.GET('/api/v1/subjects', { signal })),
  });
  const activity = useActivity(60, pollMs);
  const open = (event: Event) => {
    event.preventDefault();
    if (key.trim()) navigate(linkTo('/subject', { key: key.trim() }));
  };
  const recent = activity.data?.busiest.subjects ?? [];
  return (
    <>
      <PageHead
        title="Subjects"
        about="Whose usage it is: a customer, a user, an account. Events may name any subject."
      />
      <Card>
        <form class="row" onSubmit={open} style={{ alignItems: 'flex-end' }}>
          <div style={{ flex: '1 1 240px', maxWidth: '420px' }}>
            <TextField label="Go to a subject" placeholder="customer-1" value={key} onValue={setKey} />
          </div>
          <button type="submit" class="button primary">
            <Icon name="search" /> Show its usage
          </button>
        </form>
      </Card>
      <Card title="Busy in the last hour">
        {recent.length === 0 ? (
          <p class="muted">{activity.isPending ? 'Loading …' : 'No subject had events in the last hour.'}</p>
        ) : (
          <div class="row tight">
            {recent.map(({ subject }) => (
              <Link
                class="chip"
                key={subject}
                href={linkTo('/subject', { key: subject })}
                style={{ paddingRight: '10px' }}
              >
                <span>{oneLine(subject)}</span>
              </Link>
            ))}
          </div>
        )}
      </Card>
      <Card title="With a name or metadata" flush>
        {subjects.error ? (
          <div style={{ padding: '16px' }}>
            <Failure error={subjects.error} retry={() => void subjects.refetch()} />
          </div>
        ) : !subjects.data ? (
          <SkeletonRows rows={5} />
        ) : subjects.data.length === 0 ? (
          <Empty icon="subjects" title="No subject has a name yet">
            Names and metadata are set with <code>POST /api/v1/subjects</code>; usage is counted without them.
          </Empty>
        ) : (
          <VirtualTable
            rows={subjects.data}
            columns={columns}
            height={listHeight}
            label="Subjects with a name or metadata"
          />
        )}
      </Card>
    </>
  );
}

const columns: Column<Subject>[] = [
  {
    title: 'Subject',
    width: 'minmax(180px, 1fr)',
    cell: ({ key }) => <Link href={linkTo('/subject', { key: key })}>{oneLine(key)}</Link>,
  },
  { title: 'Name', width: 'minmax(160px, 1fr)', cell: ({ displayName }) => oneLine(displayName ?? '') },
  {
    title: 'Metadata',
    width: 'minmax(160px, 1.4fr)',
    cell: ({ metadata }) => (
      <span class="mono small">{metadata ? oneLine(JSON.stringify(metadata)) : ''}</span>
    ),
  },
  {
    title: 'Changed',
    width: '190px',
    cell: (subject) => {
      const at = (subject as { updatedAt?: string }).updatedAt;
      return at ? <Time at={at} /> : '';
    },
  },
];
