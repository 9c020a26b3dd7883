import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RunningApps, startApps } from './support/apps.ts';

/** Gateways of language models that can send to OpenMeter send here: their requests, as they come. */
let apps: RunningApps;
beforeAll(async () => {
  apps = await startApps();
});
afterAll(() => apps.stop());

async function makeMeter(slug: string, meter: object): Promise<void> {
  const response = await fetch(`${apps.url}/api/v1/meters`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ slug, aggregation: 'SUM', ...meter }),
  });
  if (!response.ok) throw new Error(await response.text());
}

async function usage(
  slug: string,
  query = '',
): Promise<{ value: number; groupBy: Record<string, string> }[]> {
  for (;;) {
    const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query?${query}`);
    if (response.headers.get('usage-events-waiting') === '0')
      return ((await response.json()) as { data: { value: number; groupBy: Record<string, string> }[] }).data;
    await Bun.sleep(5);
  }
}

test("LiteLLM's callback: its request, recorded from litellm 1.110.2", async () => {
  await makeMeter('litellm_tokens', {
    eventType: 'litellm_tokens',
    valueProperty: '$.total_tokens',
    groupBy: { model: '$.model' },
  });
  await makeMeter('litellm_cost', { eventType: 'litellm_tokens', valueProperty: '$.cost' });
  const send = () =>
    fetch(`${apps.url}/api/v1/events`, {
      method: 'POST',
      headers: {
        Accept: '*/*',
        'Accept-Encoding': 'gzip, deflate',
        'User-Agent': 'litellm/1.110.2',
        'Content-Type': 'application/cloudevents+json',
        Authorization: 'Bearer usage_key',
      },
      body: '{"specversion": "1.0", "type": "litellm_tokens", "id": "chatcmpl-93e321d8-98cf-4d66-b6a2-0874674edee1", "time": "2026-11-25T15:46:27.180061+00:00", "subject": "customer-1", "source": "litellm-proxy", "data": {"model": "gpt-4o", "cost": 0.00022500000000000002, "prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}}',
    });
  // Anything but an error will do for it; it doesn't read the answer.
  expect((await send()).status).toBe(204);
  expect((await send()).status).toBe(204);
  expect(await usage('litellm_tokens', 'groupBy=model')).toMatchObject([
    { value: 30, groupBy: { model: 'gpt-4o' } },
  ]);
  expect((await usage('litellm_cost'))[0]!.value).toBe(0.00022500000000000002);
});

/**
 * Events of Kong Gateway 3.14's plugin metering-and-billing, with every field of `data` and its type as Kong's documentation takes them
 * out of the plugin's own source (developer.konghq.com: tools/mb-event-dimensions, event-fields.snapshot.json). The plugin's source is
 * closed: ids, `source` and the content type are guesses, so that every type that the API takes is tried.
 */
const kongEvent = (id: string, type: string, data: object) => ({
  specversion: '1.0',
  id,
  source: 'kong-gateway',
  type,
  subject: '2f6f6bd4-5c0d-4b53-8b8c-5e4b6d2f7a11',
  time: '2026-11-25T10:00:00.123Z',
  datacontenttype: 'application/json',
  data: {
    ...kongPortal,
    control_plane_id: 'cp',
    route_id: 'r1',
    service_id: 's1',
    subject_type: 'consumer_id',
    ...data,
  },
});
const kongPortal = {
  application_id: 'app-1',
  portal_id: 'portal-1',
  api_id: 'api-1',
  api_package_id: 'package-1',
  api_product_version_id: 'version-1',
};
const kongRequest = {
  client_ip: '203.0.113.7',
  request_host: 'ai.example.com',
  request_method: 'POST',
  request_uri: '/chat',
  request_size_bytes: 180,
  request_user_agent: 'curl/8.4',
  response_size_bytes: 912,
  response_http_status: 200,
  route_name: 'chat',
  service_name: 'openai',
  service_port: 443,
  service_protocol: 'https',
  upstream_status: 200,
  department: 'search', // one of `config.attributes`
};
const kongTokens = (type: 'request' | 'response', tokens: number) => ({
  type,
  tokens,
  model: 'gpt-4o',
  provider: 'openai',
  http_status: 200,
  api_request_id: '1',
  ai_plugin_id: 'plugin-1',
  ai_plugin_name: 'ai-proxy',
  cache_status: 'Miss',
});

test("Kong's plugin: the three events of a call to a model, to the v3 address that it is given", async () => {
  await makeMeter('kong_tokens', {
    eventType: 'kong.llm_request',
    valueProperty: '$.tokens',
    groupBy: { model: '$.model', provider: '$.provider', type: '$.type' },
  });
  await makeMeter('kong_requests', {
    eventType: 'kong.api_request',
    aggregation: 'COUNT',
    groupBy: { status: '$.response_http_status', department: '$.department' },
  });
  const events = [
    kongEvent('1', 'kong.api_request', kongRequest),
    kongEvent('1-request', 'kong.llm_request', kongTokens('request', 12)),
    kongEvent('1-response', 'kong.llm_request', kongTokens('response', 30)),
  ];
  const send = (type: string, body: unknown) =>
    fetch(`${apps.url}/api/v3/openmeter/events`, {
      method: 'POST',
      headers: { 'Content-Type': type, Authorization: 'Bearer usage_key' },
      body: JSON.stringify(body),
    });
  // A batch whose answer was lost is sent again by the plugin's queue.
  for (const type of [
    'application/cloudevents-batch+json',
    'application/json',
    'application/json; charset=utf-8',
  ])
    expect((await send(type, events)).status).toBe(202);
  expect((await send('application/cloudevents+json', events[2])).status).toBe(202);
  const tokens = await usage('kong_tokens', 'groupBy=type&groupBy=subject');
  expect(tokens.map(({ groupBy, value }) => [groupBy.type, value]).sort()).toEqual([
    ['request', 12],
    ['response', 30],
  ]);
  expect(await usage('kong_requests', 'groupBy=status&groupBy=department')).toMatchObject([
    { value: 1, groupBy: { status: '200', department: 'search' } },
  ]);
});
