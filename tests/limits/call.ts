export interface Called {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  body: any;
}

export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Called>;

/** Requests with JSON to a server. */
export function caller(origin: string, apiKey?: string): Call {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(origin + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(apiKey && { Authorization: `Bearer ${apiKey}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
}

const settledMsMax = 15_000;

/** Asks until the answer says that no accepted event is on its way any more. */
export async function settled(origin: string, meter: string): Promise<void> {
  const deadline = performance.now() + settledMsMax;
  while (performance.now() < deadline) {
    const response = await fetch(`${origin}/api/v1/meters/${meter}/query`);
    await response.arrayBuffer();
    if (response.headers.get('usage-events-waiting') === '0') return;
  }
  throw new Error('events are still on their way');
}
