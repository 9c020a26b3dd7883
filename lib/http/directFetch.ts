/**
 * `fetch` of another part of this system, never through a proxy. Bun's fetch takes HTTP_PROXY for every host, 127.0.0.1
 * included, and its `proxy` option can't say "none": the host goes into this process' NO_PROXY instead. Requests to
 * hosts elsewhere go on taking the proxy.
 */
export function directFetch(url: string, init?: RequestInit): Promise<Response> {
  exempt(new URL(url).hostname);
  return fetch(url, init);
}

const exempted = new Set<string>();

function exempt(host: string): void {
  if (exempted.has(host)) return;
  exempted.add(host);
  const { env } = process;
  // no_proxy goes before NO_PROXY where both are set.
  for (const name of ['NO_PROXY', 'no_proxy']) env[name] = [env[name], host].filter(Boolean).join(',');
}
