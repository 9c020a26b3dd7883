import { useState } from 'preact/hooks';
import { ApiError } from '../api/client.ts';
import { TextField } from '../ui/form.tsx';
import { Logo } from '../ui/icons.tsx';
import { signIn } from './session.ts';

/** AUTH=keys: an API key becomes a session; the page keeps nothing of it. */
export function SignIn() {
  const [key, setKey] = useState('');
  const [issue, setIssue] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (key.trim() === '') return setIssue('Paste an API key.');
    setBusy(true);
    setIssue(undefined);
    try {
      await signIn(key.trim());
    } catch (error) {
      setIssue(issueOf(error as Error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <section class="card">
        <form class="body" onSubmit={submit}>
          <div class="row">
            <Logo />
            <h1>Sign in</h1>
          </div>
          <p class="soft">
            Use an API key of this installation. It stays in a cookie that no script can read, for 12 hours at
            most; what its scopes allow is what you will see.
          </p>
          <TextField
            label="API key"
            type="password"
            autocomplete="current-password"
            placeholder="usage_…"
            value={key}
            onValue={setKey}
            issue={issue}
            autofocus
          />
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? 'Signing in …' : 'Sign in'}
          </button>
          <p class="small muted">
            No key yet? The operator has <code>ADMIN_API_KEY</code>, or makes one with{' '}
            <code>bun run keys create</code>.
          </p>
        </form>
      </section>
    </main>
  );
}

function issueOf(error: Error): string {
  if (error instanceof ApiError && error.status === 401)
    return 'This key is not known here: it is wrong, or was revoked.';
  return error.message;
}
