import { QueryClient, QueryClientProvider } from '@tanstack/preact-query';
import { render } from 'preact';
import { Router } from 'wouter-preact';
import { shouldRetry } from './api/client.ts';
import { Pages } from './app/pages.tsx';
import { loadSession, session, sessionError } from './app/session.ts';
import { Shell } from './app/shell.tsx';
import { SignIn } from './app/signIn.tsx';
import { Failure, Toasts } from './ui/parts.tsx';

const staleMs = 10_000;
const client = new QueryClient({
  defaultOptions: { queries: { staleTime: staleMs, retry: shouldRetry, refetchOnWindowFocus: true } },
});

/** Whoever signs in next must not see what the one before had loaded. */
session.subscribe((who) => {
  if (who === null) client.clear();
});

function App() {
  if (sessionError.value) {
    return (
      <main class="sign-in">
        <Failure error={sessionError.value} retry={() => void loadSession()} />
      </main>
    );
  }
  if (session.value === undefined) return null;
  if (session.value === null) return <SignIn />;
  return (
    <Shell>
      <Pages />
    </Shell>
  );
}

void loadSession();
render(
  <QueryClientProvider client={client}>
    <Router base="/console">
      <App />
      <Toasts />
    </Router>
  </QueryClientProvider>,
  document.getElementById('app')!,
);
