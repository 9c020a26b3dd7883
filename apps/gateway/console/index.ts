import { Problem } from '@usage/lib/http/problem.ts';
import { urlOf } from '@usage/lib/http/url.ts';
import { Elysia } from 'elysia';
import type { ConsoleFile } from './files.ts';

/** Only our own files and our own API: no inline script, nothing of another host, no frame around it. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

const pageHeaders = {
  'Content-Security-Policy': contentSecurityPolicy,
  'Referrer-Policy': 'no-referrer',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
};
/** Names of assets hold a hash of their content. */
const forGood = 'public, max-age=31536000, immutable';
const askEachTime = 'no-cache';
const forAnHour = 'public, max-age=3600';

/**
 * /console: the pages of the console, which use the public API alone. Every path that is no file is the one page, whose
 * script shows what the path names. The root leads browsers here.
 */
export function consoleRoutes(files: ReadonlyMap<string, ConsoleFile>) {
  const page = ({ request }: { request: Request }) => send(request, fileOf(files, 'index.html'), askEachTime);
  return new Elysia({ name: 'console' })
    .get('/', ({ request }) => toConsole(request), hidden)
    .get('/console', page, hidden)
    .get(
      '/console/*',
      ({ request, params }) => {
        const name = params['*'];
        if (name.startsWith('assets/')) return send(request, fileOf(files, name), forGood);
        if (files.has(name)) return send(request, fileOf(files, name), forAnHour);
        return page({ request });
      },
      hidden,
    )
    .get('/usage-panel.js', ({ request }) => panel(request, fileOf(files, 'usage-panel.js')), hidden);
}

const hidden = { detail: { hide: true } };

function toConsole(request: Request): Response {
  if (request.headers.get('accept')?.includes('text/html')) {
    return new Response(null, { status: 302, headers: { Location: '/console', Vary: 'Accept' } });
  }
  throw new Problem(
    'not_found',
    `There is no ${urlOf(request).pathname} here; /swagger lists the routes that are.`,
  );
}

function fileOf(files: ReadonlyMap<string, ConsoleFile>, name: string): ConsoleFile {
  const file = files.get(name);
  if (file) return file;
  throw new Problem(
    'not_found',
    files.size === 0
      ? 'The console is not built: run `bun run build`, or set CONSOLE_FOLDER to the folder of its build.'
      : 'There is no such file of the console; a reload of the page finds those of a newer version.',
  );
}

/** Loaded by pages of any site. */
function panel(request: Request, file: ConsoleFile): Response {
  const response = send(request, file, forAnHour);
  response.headers.set('Access-Control-Allow-Origin', '*');
  response.headers.set('Cross-Origin-Resource-Policy', 'cross-origin');
  return response;
}

function send(request: Request, file: ConsoleFile, cacheControl: string): Response {
  const headers: Record<string, string> = {
    'Content-Type': file.type,
    'Cache-Control': cacheControl,
    ETag: file.etag,
    Vary: 'Accept-Encoding',
    'X-Content-Type-Options': 'nosniff',
    ...(file.type.startsWith('text/html') && pageHeaders),
  };
  if (request.headers.get('if-none-match') === file.etag) return new Response(null, { status: 304, headers });
  const packed = file.gzip && /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  if (!packed) return new Response(file.plain, { headers });
  return new Response(file.gzip, { headers: { ...headers, 'Content-Encoding': 'gzip' } });
}
