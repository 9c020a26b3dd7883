/** An answer that isn't a success. */
export class UsageRequestError extends Error {
  override name = 'UsageRequestError';

  constructor(
    message: string,
    readonly status: number,
    /** After so many seconds the same request may succeed. */
    readonly retryAfterSeconds: number | undefined,
    /** Members of the problem that say more, such as `reason` and `available`. */
    readonly extensions: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }

  static of(response: Response, problem: ProblemBody): UsageRequestError {
    const { detail, extensions } = problem;
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    const message = `the gateway answers ${response.status}${detail ? `: ${detail.slice(0, 500)}` : ''}`;
    const retryAfterSeconds = Number.isFinite(seconds) ? seconds : undefined;
    return new UsageRequestError(message, response.status, retryAfterSeconds, extensions);
  }
}

export interface ProblemBody {
  detail?: string;
  extensions?: Record<string, unknown>;
}

export interface Requester {
  url: string;
  apiKey: string | undefined;
  /** ms an answer may take. */
  requestMsMax: number;
  /** ms for which a request that may be sent again is sent again. */
  retryForMsMax: number;
  fetch: typeof fetch;
}

const firstWaitMs = 100;
const waitMsMax = 2_000;

/** One request. Throws a UsageRequestError, or what keeps the gateway from being reached. */
export async function ask(
  requester: Requester,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (requester.apiKey !== undefined) headers.Authorization = `Bearer ${requester.apiKey}`;
  if (body) headers['Content-Type'] = 'application/json';
  const signal = AbortSignal.timeout(requester.requestMsMax);
  // Called as a function: edge runtimes refuse a fetch that is called as a method of something else.
  const { fetch: send } = requester;
  const response = await send(requester.url.replace(/\/+$/, '') + path, {
    method,
    headers,
    signal,
    ...(body && { body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  throw UsageRequestError.of(response, (await response.json().catch(() => ({}))) as ProblemBody);
}

/** The same, sent again while the gateway is away or full: for requests that change nothing the second time. */
export async function askAgain(
  requester: Requester,
  method: 'GET' | 'POST',
  path: string,
  body?: object,
): Promise<Response> {
  const endMs = Date.now() + requester.retryForMsMax;
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask(requester, method, path, body);
    } catch (error) {
      const { status, retryAfterSeconds = 0 } = error as Partial<UsageRequestError>;
      const isTemporary = status === undefined || status === 429 || status >= 500;
      const backoffMs = Math.min(firstWaitMs * 2 ** attempt, waitMsMax) * (0.5 + Math.random() / 2);
      const waitMs = Math.max(backoffMs, retryAfterSeconds * 1_000);
      if (!isTemporary || Date.now() + waitMs > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}
