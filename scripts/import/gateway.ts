import { directFetch } from '@usage/lib/http/directFetch.ts';
import type { Meter } from '@usage/lib/meter/meter.ts';

export interface Gateway {
  url: string;
  key: string | undefined;
  /** How often a request is sent while the gateway is full or away. */
  attemptsMax: number;
  /** Called before each wait for a gateway that is full or away. */
  onWait(): void;
}

const requestMsMax = 30_000;
const waitMsMax = 30_000;
const meterPageSize = 100;
const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** An answer that isn't a success, or none at all; `status` undefined: the gateway wasn't reached. */
export class GatewayError extends Error {
  override name = 'GatewayError';
  constructor(
    message: string,
    readonly status: number | undefined,
    readonly problem: ProblemBody | undefined,
  ) {
    super(message);
  }
}

interface ProblemBody {
  detail?: string;
  extensions?: { validationErrors?: { index?: number; field?: string; reason?: string }[] };
}

/**
 * One request; waits and tries again while the gateway answers 429 or 503 or is away. Throws a
 * GatewayError for any other answer.
 */
export async function request(
  gateway: Gateway,
  path: string,
  body?: { type: string; text: string },
  attempts = gateway.attemptsMax,
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body) headers['Content-Type'] = body.type;
  if (gateway.key) headers.Authorization = `Bearer ${gateway.key}`;
  const init = { method: body ? 'POST' : 'GET', headers, ...(body && { body: body.text }) };
  for (let attempt = 1; ; attempt++) {
    const answer = await answerTo(`${gateway.url}${path}`, init);
    if (answer instanceof Response && answer.ok) return answer;
    const isTemporary = answer instanceof Error || answer.status === 429 || answer.status === 503;
    if (!isTemporary || attempt >= attempts) throw await errorOf(answer);
    const askedMs = answer instanceof Error ? 0 : Number(answer.headers.get('retry-after') ?? 0) * 1_000;
    gateway.onWait();
    const waitMs = Math.min(Math.max(askedMs, 100 * 2 ** Math.min(attempt, 8)), waitMsMax);
    await Bun.sleep(waitMs * (0.75 + Math.random() / 4));
  }
}

/** Every meter of the key's namespace. */
export async function metersOf(gateway: Gateway, attempts?: number): Promise<Meter[]> {
  const meters: Meter[] = [];
  for (let page = 1; ; page++) {
    const answer = await request(
      gateway,
      `/api/v1/meters?page=${page}&pageSize=${meterPageSize}`,
      undefined,
      attempts,
    );
    const items = (await answer.json()) as Meter[];
    meters.push(...items.map((meter) => ({ ...meter, groupBy: meter.groupBy ?? {} })));
    if (items.length < meterPageSize) return meters;
  }
}

export interface LookupAnswer {
  stored: { id: string; source: string }[];
  /** Events that arrived before are no longer kept. */
  keptSince?: string;
}

export async function lookUp(
  gateway: Gateway,
  question: { ids: string[]; from?: string; to?: string },
  attempts?: number,
): Promise<LookupAnswer> {
  const body = { type: 'application/json', text: JSON.stringify(question) };
  const answer = await request(gateway, '/api/v1/events/lookup', body, attempts);
  return (await answer.json()) as LookupAnswer;
}

async function answerTo(url: string, init: RequestInit): Promise<Response | Error> {
  try {
    // A proxy must not see the key of a gateway on this machine.
    const send = loopback.test(new URL(url).hostname) ? directFetch : fetch;
    return await send(url, { ...init, signal: AbortSignal.timeout(requestMsMax) });
  } catch (error) {
    return error as Error;
  }
}

async function errorOf(answer: Response | Error): Promise<GatewayError> {
  if (answer instanceof Error)
    return new GatewayError(`the gateway can't be reached: ${answer.message}`, undefined, undefined);
  const text = await answer.text();
  const problem = jsonOf(text);
  const detail = problem?.detail ?? text.slice(0, 300);
  return new GatewayError(`the gateway answers ${answer.status}: ${detail}`, answer.status, problem);
}

function jsonOf(text: string): ProblemBody | undefined {
  try {
    return JSON.parse(text) as ProblemBody;
  } catch {
    return undefined;
  }
}
