import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { Link, Route, Switch, useLocation } from 'wouter-preact';
import { Audit } from '../pages/audit/audit.tsx';
import { Corrections } from '../pages/corrections/corrections.tsx';
import { CustomerPage } from '../pages/customers/customerPage.tsx';
import { Customers } from '../pages/customers/customers.tsx';
import { Events } from '../pages/events/events.tsx';
import { Explore } from '../pages/explore/explore.tsx';
import { Home } from '../pages/home/home.tsx';
import { Keys } from '../pages/keys/keys.tsx';
import { EditMeter, MeterPage, NewMeter } from '../pages/meters/meterPage.tsx';
import { Meters } from '../pages/meters/meters.tsx';
import { Notifications } from '../pages/notifications/notifications.tsx';
import { Send } from '../pages/send/send.tsx';
import { SubjectPage } from '../pages/subjects/subjectPage.tsx';
import { Subjects } from '../pages/subjects/subjects.tsx';
import { Trouble } from '../pages/trouble/trouble.tsx';
import { Empty, PageHead } from '../ui/parts.tsx';
import { may, type Scope, session } from './session.ts';

interface Page {
  path: string;
  title: string;
  scope: Scope | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: each page reads the parameters of its own path
  page: ComponentType<any>;
}

const pages: Page[] = [
  { path: '/', title: 'Home', scope: undefined, page: Home },
  { path: '/events', title: 'Events', scope: 'read', page: Events },
  { path: '/explore', title: 'Explore', scope: 'read', page: Explore },
  { path: '/meters', title: 'Meters', scope: 'read', page: Meters },
  { path: '/meters/new', title: 'Create a meter', scope: 'admin', page: NewMeter },
  { path: '/meters/:slug', title: 'Meter', scope: 'read', page: MeterPage },
  { path: '/meters/:slug/edit', title: 'Change a meter', scope: 'admin', page: EditMeter },
  { path: '/subjects', title: 'Subjects', scope: 'read', page: Subjects },
  { path: '/subject', title: 'Subject', scope: 'read', page: SubjectPage },
  { path: '/customers', title: 'Customers', scope: 'read', page: Customers },
  { path: '/customers/:id', title: 'Customer', scope: 'read', page: CustomerPage },
  { path: '/corrections', title: 'Corrections', scope: 'read', page: Corrections },
  { path: '/audit', title: 'Audit', scope: 'admin', page: Audit },
  { path: '/notifications', title: 'Notifications', scope: 'read', page: Notifications },
  { path: '/trouble', title: 'Trouble', scope: 'admin', page: Trouble },
  { path: '/send', title: 'Send an event', scope: 'ingest', page: Send },
  { path: '/keys', title: 'API keys', scope: 'admin', page: Keys },
];

/** The page that the path names. What the key may not see says which scope it lacks. */
export function Pages() {
  return (
    <Switch>
      {pages.map(({ path, title, scope, page: Content }) => (
        <Route key={path} path={path}>
          {(params) =>
            scope === undefined || may[scope].value ? (
              <Titled title={title}>
                <Content {...params} />
              </Titled>
            ) : (
              <Lacking scope={scope} title={title} />
            )
          }
        </Route>
      ))}
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}

function Titled({ title, children }: { title: string; children: preact.ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Usage`;
  }, [title]);
  return <>{children}</>;
}

function Lacking({ scope, title }: { scope: Scope; title: string }) {
  return (
    <>
      <PageHead title={title} />
      <Empty icon="keys" title={`This key lacks the scope “${scope}”`}>
        It may {session.value?.scopes.join(', ')}. Sign out and in with another key, or ask an admin for one.
      </Empty>
    </>
  );
}

function NotFound() {
  const [path] = useLocation();
  return (
    <>
      <PageHead title="There is no such page" />
      <Empty
        icon="search"
        title={path}
        actions={
          <Link class="button" href="/">
            Go to Home
          </Link>
        }
      >
        The address may be of an older version, or mistyped.
      </Empty>
    </>
  );
}
