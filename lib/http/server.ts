import { Elysia } from 'elysia';
import type { Registry } from 'prom-client';
import type { Health } from '../service/health.ts';
import type { Logger } from '../service/log.ts';
import { StartError } from '../service/startError.ts';
import { answerExpect } from './expectContinue.ts';
import { type HeadersFor, operations, requestIdOf, requestRecord } from './operations.ts';
import { readNoParameters } from './parameters.ts';
import { bodyTooLarge, Problem, problemResponse, toProblem } from './problem.ts';
import { createRefusalLog } from './refusalLog.ts';
import { badHost, parsedUrlOf } from './url.ts';

export interface ServerOptions {
  log: Logger;
  health: Health;
  registry: Registry;
  /** A body that says it is longer is refused with 413 before it is read. */
  bodyBytesMax: number;
  /** Requests whose bodies are read piece by piece, however long they are. */
  isStreamed?: (headers: Headers) => boolean;
  headersFor?: HeadersFor | undefined;
  /** A connection on which nothing moves for so long is closed; longer than any time limit of a request. */
  idleSecondsMax?: number;
}

/**
 * Bun ends longer bodies by itself, with a bare 413. Routes read at most bodyBytesMax (lib/http/body.ts), whatever the
 * headers say; what they don't read is thrown away as it comes: 600 MB sent to a route that had refused took no memory.
 */
const bodyFactorMax = 8;
/** As nginx keeps them (docker/nginx.conf). Headers have to come within 12 s: that is Bun's own limit. */
const idleSecondsByDefault = 60;

/**
 * The Elysia app that every service adds its routes to: operations routes, every error as problem+json, 404 apart
 * from 405, unknown keys kept (so that a schema can refuse them), the port not shared with a second process.
 */
export function createServer(options: ServerOptions) {
  const {
    log,
    health,
    registry,
    bodyBytesMax,
    isStreamed,
    headersFor,
    idleSecondsMax = idleSecondsByDefault,
  } = options;
  const logRefusal = createRefusalLog(log);
  const answered = requestRecord(log, registry);
  const app = new Elysia({
    name: 'server',
    normalize: false,
    serve: {
      reusePort: false,
      maxRequestBodySize: isStreamed ? Number.MAX_SAFE_INTEGER : bodyBytesMax * bodyFactorMax,
      idleTimeout: idleSecondsMax,
      development: false,
    },
  })
    .headers({ 'X-Content-Type-Options': 'nosniff' })
    .use(operations({ health, registry, answered, headersFor }))
    .onRequest(({ request, server }) => {
      const isShort = Number(request.headers.get('content-length')) <= bodyBytesMax;
      if (!isShort && !isStreamed?.(request.headers)) throw bodyTooLarge(bodyBytesMax);
      if (request.headers.has('expect'))
        answerExpect(request, () => server?.requestIP(request), server?.port);
      // Every other route reads its parameters by their schema (parameters.ts).
      if (request.url.includes('?') && takesNoParameters(app.routes, request)) readNoParameters(request);
    })
    .onError({ as: 'global' }, ({ error, code, request, route, startedMs, requestId, set }) => {
      const id = requestId || requestIdOf(request);
      const problem = code === 'NOT_FOUND' ? noRoute(app.routes, request) : toProblem(error, log, id);
      set.status = problem.status;
      if (problem.status >= 500 && problem.code !== 'internal') logRefusal(problem, id);
      answered(request, route, startedMs, id, problem.status);
      return problemResponse(problem, id, parsedUrlOf(request)?.pathname);
    });
  return app;
}

/** Listens; throws one Error that says what to do when the port is taken or not allowed. Returns the real port. */
export function listen(app: Listening, hostname: string, port: number): number {
  try {
    app.listen({ hostname, port, reusePort: false });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const address = `${hostname}:${port}`;
    if (code === 'EADDRINUSE') {
      throw new StartError(
        `Port ${port} on ${hostname} is taken by another process: stop that one or choose another port.`,
      );
    }
    if (code === 'EACCES')
      throw new StartError(`No right to listen on ${address}: choose a port from 1024 up.`);
    throw new StartError(`Can't listen on ${address}: ${message}`);
  }
  const listening = app.server?.port;
  if (listening === undefined) throw new StartError(`Can't listen on ${hostname}:${port}`);
  return listening;
}

/** A third less than what an app may take to stop by default. */
const finishMsMax = 10_000;

/**
 * Takes no new connections and resolves when every request in flight has been answered; those that take longer than
 * msMax (an upload that hangs, a slow read) are cut off.
 */
export async function stopListening(app: Listening, msMax = finishMsMax): Promise<void> {
  const { server } = app;
  if (!server) return;
  const cutOff = setTimeout(() => void server.stop(true), msMax);
  await server.stop();
  clearTimeout(cutOff);
}

// biome-ignore lint/suspicious/noExplicitAny: an Elysia's type lists all of its routes; any of them will do here
type Listening = Elysia<any, any, any, any, any, any, any>;

type Route = {
  method: string;
  path: string;
  hooks?: { detail?: { parameters?: readonly { in?: string }[] } };
};

/** Whether it is a route of the API whose description has no parameter in the query. */
function takesNoParameters(routes: readonly Route[], request: Request): boolean {
  const pathname = parsedUrlOf(request)?.pathname;
  // A browser's preflight names the request that is to come, parameters and all.
  if (!pathname?.startsWith('/api/') || request.method === 'OPTIONS') return false;
  const found = routes.filter(({ method, path }) => method === request.method && matches(path, pathname));
  // Of a path with a name in it and one without, Elysia takes the latter.
  const route = found.find(({ path }) => path === pathname) ?? found[0];
  return route !== undefined && !route.hooks?.detail?.parameters?.some((one) => one.in === 'query');
}

/** 405 with Allow where the path has other methods, else 404. */
function noRoute(routes: readonly { method: string; path: string }[], request: Request): Problem {
  const url = parsedUrlOf(request);
  if (!url) return badHost();
  const { pathname } = url;
  const allowed = new Set(routes.filter(({ path }) => matches(path, pathname)).map(({ method }) => method));
  if (allowed.size === 0) {
    return new Problem(
      'not_found',
      `There is no ${pathname.slice(0, 200)} here; /swagger lists the routes that are.`,
    );
  }
  const allow = [...allowed].join(', ');
  return new Problem('method_not_allowed', `${request.method} is not possible here; ${allow} is.`, {
    headers: { Allow: allow },
  });
}

/** Only for requests with parameters and paths that met no route, so that speed doesn't matter. */
function matches(template: string, pathname: string): boolean {
  const expected = template.split('/');
  const given = pathname.split('/');
  return (
    expected.length === given.length &&
    expected.every((part, n) => part === given[n] || (part[0] === ':' && given[n] !== ''))
  );
}
