import { computed, signal } from '@preact/signals';
import { type ApiError, api, dataOf, onSignedOut, type operations } from '../api/client.ts';

export type Session = operations['getSession']['responses'][200]['content']['application/json'];
export type Scope = Session['scopes'][number];

/** undefined = not asked yet; null = nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Why the session is not known, where the gateway cannot say. */
export const sessionError = signal<Error | undefined>(undefined);

export const may = {
  read: computed(() => session.value?.scopes.includes('read') ?? false),
  ingest: computed(() => session.value?.scopes.includes('ingest') ?? false),
  admin: computed(() => session.value?.scopes.includes('admin') ?? false),
};

onSignedOut.call = () => {
  session.value = null;
};

export async function loadSession(): Promise<void> {
  try {
    session.value = await dataOf(api.GET('/api/v1/session'));
    sessionError.value = undefined;
  } catch (error) {
    if ((error as ApiError).status === 401) session.value = null;
    else sessionError.value = error as Error;
  }
}

export async function signIn(key: string): Promise<void> {
  session.value = await dataOf(api.POST('/api/v1/session', { body: { key } }));
}

export async function signOut(): Promise<void> {
  await api.DELETE('/api/v1/session');
  session.value = null;
}
