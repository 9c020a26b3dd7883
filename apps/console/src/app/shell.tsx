import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';
import { Icon, type IconName, Logo } from '../ui/icons.tsx';
import type { Children } from '../ui/parts.tsx';
import { may, type Scope, session, signOut } from './session.ts';
import { type Theme, theme, zone, zoneNames } from './settings.ts';

interface Place {
  path: string;
  label: string;
  icon: IconName;
  /** undefined = everyone who is signed in. */
  scope: Scope | undefined;
}

const groups: { title: string | undefined; places: Place[] }[] = [
  {
    title: undefined,
    places: [
      { path: '/', label: 'Home', icon: 'home', scope: undefined },
      { path: '/explore', label: 'Explore', icon: 'explore', scope: 'read' },
      { path: '/events', label: 'Events', icon: 'events', scope: 'read' },
      { path: '/meters', label: 'Meters', icon: 'meters', scope: 'read' },
      { path: '/subjects', label: 'Subjects', icon: 'subjects', scope: 'read' },
      { path: '/customers', label: 'Customers', icon: 'customers', scope: 'read' },
    ],
  },
  {
    title: 'Operate',
    places: [
      { path: '/send', label: 'Send an event', icon: 'send', scope: 'ingest' },
      { path: '/trouble', label: 'Trouble', icon: 'trouble', scope: 'admin' },
      { path: '/corrections', label: 'Corrections', icon: 'edit', scope: 'read' },
      { path: '/notifications', label: 'Notifications', icon: 'bell', scope: 'read' },
      { path: '/keys', label: 'API keys', icon: 'keys', scope: 'admin' },
      { path: '/audit', label: 'Audit', icon: 'audit', scope: 'admin' },
    ],
  },
];

/** On narrow screens the navigation is a drawer. */
const drawerOpen = signal(false);

export function Shell({ children }: { children: Children }) {
  const [path] = useLocation();
  useEffect(() => {
    drawerOpen.value = false;
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <div class="shell">
        <Side path={path} />
        {drawerOpen.value && (
          <button
            type="button"
            class="scrim"
            aria-label="Close the navigation"
            onClick={() => (drawerOpen.value = false)}
          />
        )}
        <div class="main">
          <div class="top">
            <button
              type="button"
              class="button quiet icon"
              aria-label="Open the navigation"
              aria-expanded={drawerOpen.value}
              onClick={() => (drawerOpen.value = true)}
            >
              <Icon name="menu" />
            </button>
            <Brand />
          </div>
          <main class="page" id="content" tabIndex={-1}>
            {children}
          </main>
        </div>
      </div>
    </>
  );
}

function Brand() {
  return (
    <Link href="/" class="brand">
      <Logo /> Usage
    </Link>
  );
}

function Side({ path }: { path: string }) {
  const allowed = ({ scope }: Place) => scope === undefined || may[scope].value;
  return (
    <aside
      class={`side ${drawerOpen.value ? 'open' : ''}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') drawerOpen.value = false;
      }}
    >
      <Brand />
      <nav aria-label="Pages">
        {groups.map(({ title, places }) => {
          const shown = places.filter(allowed);
          if (shown.length === 0) return null;
          return (
            <div key={title ?? ''}>
              {title && <h2>{title}</h2>}
              {shown.map((place) => (
                <Link
                  key={place.path}
                  href={place.path}
                  class="nav-link"
                  aria-current={isHere(path, place.path) ? 'page' : undefined}
                >
                  <Icon name={place.icon} /> {place.label}
                </Link>
              ))}
            </div>
          );
        })}
        <a class="nav-link" href="/swagger" target="_blank" rel="noreferrer">
          <Icon name="book" /> API reference
        </a>
      </nav>
      <div class="side-foot">
        <ZoneChoice />
        <ThemeChoice />
        <Who />
      </div>
    </aside>
  );
}

function isHere(path: string, place: string): boolean {
  if (place === '/subjects' && path === '/subject') return true;
  return place === '/' ? path === '/' : path === place || path.startsWith(`${place}/`);
}

function ZoneChoice() {
  return (
    <div class="field">
      <label for="zone" class="visually-hidden">
        Time zone of all times shown
      </label>
      <select
        id="zone"
        class="select small"
        value={zone.value}
        onChange={(event) => (zone.value = event.currentTarget.value)}
      >
        {[...new Set([zone.value, ...zoneNames.value])].map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}

const themes: { value: Theme; label: string; icon: IconName }[] = [
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'system', label: 'As the system', icon: 'system' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

function ThemeChoice() {
  return (
    <fieldset class="segmented" aria-label="Colours">
      {themes.map(({ value, label, icon }) => (
        <button
          key={value}
          type="button"
          style={{ flex: 1, justifyContent: 'center' }}
          aria-pressed={theme.value === value}
          aria-label={label}
          title={label}
          onClick={() => (theme.value = value)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </fieldset>
  );
}

function Who() {
  const who = session.value;
  if (!who) return null;
  return (
    <div class="who">
      <div class="row tight between">
        <span class="strong clip">
          {who.auth === 'off' ? 'No sign-in needed' : (who.key?.name ?? 'Operator')}
        </span>
        {who.auth === 'keys' && (
          <button
            type="button"
            class="button quiet icon small"
            aria-label="Sign out"
            title="Sign out"
            onClick={() => void signOut()}
          >
            <Icon name="out" />
          </button>
        )}
      </div>
      <span class="muted clip">namespace {who.namespace}</span>
      {who.auth === 'keys' && <span class="muted clip">may {who.scopes.join(', ')}</span>}
    </div>
  );
}
