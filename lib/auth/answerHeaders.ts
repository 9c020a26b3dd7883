import { Elysia } from 'elysia';
import type { Access } from './access.ts';

/** Tells every client of a limited key what it has left (draft-ietf-httpapi-ratelimit-headers). */
export function answerHeaders(access: Access) {
  const app = new Elysia({ name: 'rate limit headers' });
  if (!access.headersFor) return app;
  return app.onAfterHandle({ as: 'global' }, ({ request, set }) => {
    const headers = access.headersFor?.(request);
    if (headers) Object.assign(set.headers, headers);
  });
}
