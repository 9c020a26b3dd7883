import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventText, startGateway, type TestGateway } from './start.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ BODY_BYTES_MAX: '100000', REQUEST_EVENTS_MAX: '50' });
});
afterEach(() => gateway.clear());
afterAll(() => gateway.stop());

const idsOf = async () =>
  (await gateway.frames()).flat().flatMap((part) => part.events.map((event) => (event as { id: string }).id));

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as Record<string, unknown> & {
    extensions: Record<string, unknown>;
  };
  expect(problem.status).toBe(response.status);
  expect(problem.instance).toBe(`urn:request:${response.headers.get('x-request-id')}`);
  return problem;
}

describe('taken', () => {
  test.each([
    ['application/json', eventText('1'), ['1']],
    ['application/json', `[${eventText('1')},${eventText('2')}]`, ['1', '2']],
    ['application/json; charset=utf-8', eventText('1'), ['1']],
    ['application/json;charset="UTF-8"', eventText('1'), ['1']],
    ['Application/JSON', eventText('1'), ['1']],
    ['application/cloudevents+json', eventText('1'), ['1']],
    ['application/cloudevents+json; charset=UTF-8', eventText('1'), ['1']],
    ['application/cloudevents-batch+json', `[${eventText('1')}]`, ['1']],
    ['application/cloudevents-batch+json; charset=utf-8', ` [ ${eventText('1')} ] \n`, ['1']],
    ['application/json', `\ufeff${eventText('1')}`, ['1']],
  ])('%s: %s', async (contentType, body, ids) => {
    const response = await gateway.post(body, contentType);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(await idsOf()).toEqual(ids);
  });

  test('an empty CloudEvents batch leaves no frame', async () => {
    expect((await gateway.post('[]', 'application/cloudevents-batch+json')).status).toBe(204);
    expect(await gateway.frames()).toEqual([]);
  });

  test('a chunked body', async () => {
    const body = new Blob([eventText('1')]).stream();
    const response = await fetch(`${gateway.url}/api/v1/events`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    });
    expect(response.status).toBe(204);
    expect(await idsOf()).toEqual(['1']);
  });

  test('numbers keep every digit on their way into the frame', async () => {
    const data = '{"n":12345678901234567890.1200,"e":1e400,"z":-0}';
    await gateway.post(eventText('1', `,"data":${data}`));
    expect((await gateway.rawFrames())[0]!.toString()).toContain(`"data":${data}`);
  });

  test('namespace and time of arrival come with the events', async () => {
    const beforeMs = Date.now();
    await gateway.post(eventText('1'));
    const part = (await gateway.frames())[0]![0]!;
    expect(part.namespace).toBe('default');
    expect(part.receivedMs).toBeGreaterThanOrEqual(beforeMs);
    expect(part.receivedMs).toBeLessThanOrEqual(Date.now());
  });
});

describe('CloudEvents binary mode', () => {
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': 'a%20%C3%A9',
    'ce-source': '/s',
    'ce-type': 't',
    'ce-subject': '"c \\"1\\""',
  };

  test('headers are the attributes, the body is the data', async () => {
    const response = await gateway.post('{"n":1.10}', 'application/json; charset=utf-8', {
      ...attributes,
      'ce-trace': 'x',
    });
    expect(response.status).toBe(204);
    expect((await gateway.frames()).flat()[0]!.events).toEqual([
      {
        specversion: '1.0',
        id: 'a é',
        source: '/s',
        type: 't',
        subject: 'c "1"',
        trace: 'x',
        datacontenttype: 'application/json; charset=utf-8',
        data: { n: 1.1 },
      },
    ]);
    expect((await gateway.rawFrames())[0]!.toString()).toContain('"data":{"n":1.10}');
  });

  test('headers beyond ASCII are UTF-8, as SDKs write them, and a lone % is itself', async () => {
    const headers = {
      ...attributes,
      'ce-id': '1',
      'ce-subject': utf8('Müller 100%'),
      'ce-trace': '50%off %41',
    };
    expect((await gateway.post('{}', 'application/json', headers)).status).toBe(204);
    expect((await gateway.frames()).flat()[0]!.events).toMatchObject([
      { subject: 'Müller 100%', trace: '50%off A' },
    ]);
    await gateway.clear();
    const latin1 = { ...attributes, 'ce-id': '1', 'ce-subject': 'M\xfcller' };
    expect((await gateway.post('{}', 'application/json', latin1)).status).toBe(204);
    expect((await gateway.frames()).flat()[0]!.events).toMatchObject([{ subject: 'Müller' }]);
  });

  test('data of a +json type', async () => {
    expect((await gateway.post('{}', 'application/vnd.usage+json', attributes)).status).toBe(204);
  });

  test('no data', async () => {
    const response = await fetch(`${gateway.url}/api/v1/events`, { method: 'POST', headers: attributes });
    expect(response.status).toBe(204);
    expect((await gateway.frames()).flat()[0]!.events[0]).not.toHaveProperty('data');
  });

  test.each([
    ['an array as data', '[]', {}, 'data'],
    ['ce-data', '{}', { 'ce-data': '{}' }, 'data'],
    ['a bad time', '{}', { 'ce-time': 'now' }, 'time'],
    ['broken percent-encoding', '{}', { 'ce-subject': '%E9' }, 'subject'],
    ['an unknown version', '{}', { 'ce-specversion': '0.3' }, 'specversion'],
  ])('refuses %s', async (_, body, headers, field) => {
    const response = await gateway.post(body, 'application/json', { ...attributes, ...headers });
    expect(response.status).toBe(400);
    const { extensions } = await problemOf(response);
    expect(extensions.validationErrors).toMatchObject([{ index: 0, field }]);
    expect(await gateway.frames()).toEqual([]);
  });
});

describe('data_base64', () => {
  const packed = (data: string) => `,"data_base64":"${Buffer.from(data).toString('base64')}"`;

  test.each(['application/cloudevents+json', 'application/cloudevents-batch+json', 'application/x-ndjson'])(
    'that holds a JSON object is data, every digit as it came: %s',
    async (type) => {
      const event = eventText('1', `${packed('{"n":12345678901234567890.10}')},"seen":12345678901234567891`);
      const body = type.includes('batch') ? `[${eventText('0')},${event}]` : event;
      expect((await gateway.post(body, type)).status).toBeLessThan(300);
      const raw = (await gateway.rawFrames()).map(String).join();
      expect(raw).toContain('"data":{"n":12345678901234567890.10}');
      expect(raw).toContain('"seen":12345678901234567891');
      expect(raw).not.toContain('data_base64');
    },
  );

  test.each([
    ['no JSON', packed('hello')],
    ['an array', packed('[1]')],
    ['no base64', ',"data_base64":"{}"'],
    ['data beside it', `${packed('{}')},"data":{}`],
  ])('of %s is refused', async (_, more) => {
    const response = await gateway.post(eventText('1', more));
    expect(response.status).toBe(400);
    expect((await problemOf(response)).extensions.validationErrors).toMatchObject([{ field: 'data_base64' }]);
    expect(await gateway.frames()).toEqual([]);
  });
});

describe('refused, and nothing is kept', () => {
  afterEach(async () => expect(await gateway.frames()).toEqual([]));

  test('a batch with bad events: every one is named', async () => {
    const body = `[${eventText('1')},{},${eventText('', ',"time":"noon"')},7]`;
    const response = await gateway.post(body);
    expect(response.status).toBe(400);
    const { detail, extensions } = await problemOf(response);
    expect(detail).toStartWith('3 of 4 events are not valid, nothing was kept: event 1: ');
    const issues = extensions.validationErrors as { index: number; field: string; reason: string }[];
    expect(issues.map(({ index, field }) => `${index} ${field}`)).toEqual([
      '1 specversion',
      '1 id',
      '1 source',
      '1 type',
      '1 subject',
      '2 id',
      '2 time',
      '3 ',
    ]);
    expect(extensions.validationErrorsLeftOut).toBe(0);
  });

  test('more issues than are shown are counted', async () => {
    const response = await gateway.post(`[${Array(50).fill('{}').join(',')}]`);
    const { extensions } = await problemOf(response);
    expect(extensions.validationErrors).toHaveLength(100);
    expect(extensions.validationErrorsLeftOut).toBe(150);
  });

  test.each([
    [400, 'application/json', '[]', 'bad_request'],
    [400, 'application/json', '"event"', 'invalid_events'],
    [400, 'application/json', 'null', 'invalid_events'],
    [400, 'application/json', '', 'malformed_json'],
    [400, 'application/cloudevents+json', `[${eventText('1')}]`, 'invalid_events'],
    [400, 'application/cloudevents-batch+json', eventText('1'), 'bad_request'],
    [415, 'text/plain', eventText('1'), 'unsupported_media_type'],
    [415, 'application/x-ndjson; charset=latin1', eventText('1'), 'unsupported_media_type'],
    [415, 'application/xml', eventText('1'), 'unsupported_media_type'],
    [415, 'application/json; charset=latin1', eventText('1'), 'unsupported_media_type'],
    [413, 'application/json', `[${Array(51).fill(eventText('1')).join(',')}]`, 'too_large'],
    [413, 'application/json', eventText('1', `,"data":{"x":"${'x'.repeat(100_000)}"}`), 'too_large'],
  ])('%d %s %#', async (status, contentType, body, code) => {
    const response = await gateway.post(body, contentType);
    expect(response.status).toBe(status);
    expect((await problemOf(response)).code).toBe(code);
  });

  test('malformed JSON: the answer says where', async () => {
    const { detail, extensions } = await problemOf(await gateway.post('[{"a":1},\n{"b":}]'));
    expect(extensions).toMatchObject({ position: 15, line: 2, column: 6 });
    expect(detail).toContain("expected a value, found '}'");
  });

  test('JSON nested a hundred thousand deep', async () => {
    expect((await gateway.post('['.repeat(99_000))).status).toBe(400);
    expect((await gateway.post('['.repeat(45_000) + ']'.repeat(45_000))).status).toBe(400);
    expect(
      (await gateway.post(eventText('1', `,"data":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`))).status,
    ).toBe(400);
  });

  test('bytes that are no UTF-8', async () => {
    const body = Buffer.concat([
      Buffer.from(eventText('x').replace('customer', 'custom')),
      Buffer.from([0xff]),
    ]);
    expect((await problemOf(await gateway.post(body))).code).toBe('malformed_json');
  });

  test('encodings that are not known, or several: 415 names those that are', async () => {
    for (const encoding of ['compress', 'gzip, br', '__proto__']) {
      const response = await gateway.post(eventText('1'), 'application/json', {
        'Content-Encoding': encoding,
      });
      expect(response.status).toBe(415);
      expect(response.headers.get('accept-encoding')).toBe('gzip, deflate, br, zstd');
    }
  });

  test('a chunked body that is too long', async () => {
    const response = await fetch(`${gateway.url}/api/v1/events`, {
      method: 'POST',
      body: new Blob(['x'.repeat(150_000)]).stream(),
      headers: { 'Content-Type': 'application/json' },
    });
    expect(response.status).toBe(413);
  });
});

test('a method that is not there: 405 with Allow; a path that is not there: 404', async () => {
  const wrongMethod = await fetch(`${gateway.url}/api/v1/events`, { method: 'DELETE' });
  expect(wrongMethod.status).toBe(405);
  expect(wrongMethod.headers.get('allow')?.split(', ').sort()).toEqual(['GET', 'POST']);
  await problemOf(wrongMethod);
  const wrongPath = await fetch(`${gateway.url}/api/v1/nothing`);
  expect(wrongPath.status).toBe(404);
  await problemOf(wrongPath);
});

test('a sane request id is taken over, another one replaced', async () => {
  const idFor = async (given: string) =>
    (await gateway.post('{}', 'application/json', { 'X-Request-Id': given })).headers.get('x-request-id');
  expect(await idFor('abc-123')).toBe('abc-123');
  expect(await idFor('a b"<script>')).not.toContain('script');
  expect((await idFor('x'.repeat(129)))!.length).toBeLessThan(64);
});

test('metrics count events, refusals and frames', async () => {
  await gateway.post(eventText('1'));
  await gateway.post('{}');
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(text).toMatch(/usage_events_accepted_total [1-9]/);
  expect(text).toMatch(/usage_ingest_requests_rejected_total\{reason="invalid_events"\} [1-9]/);
  expect(text).toMatch(/usage_frame_events_count [1-9]/);
  expect(text).toContain(
    'usage_http_request_duration_seconds_count{method="POST",route="/api/v1/events",status_class="2xx"}',
  );
  expect(text).toContain('process_resident_memory_bytes');
});

test('whatever is sent, the answer is 204 or a 4xx problem, and only 204 leaves a frame', async () => {
  const attribute = fc.constantFrom(
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'data',
    'x',
    '__proto__',
  );
  const value = fc.oneof(
    fc.constantFrom('1.0', 'a', '', 'a\0', '\ud800', '2026-11-22T10:00:00Z'),
    fc.jsonValue(),
  );
  const event = fc
    .dictionary(attribute, value)
    .map((fields) => ({ specversion: '1.0', id: '1', source: 's', type: 't', subject: 'c', ...fields }));
  const body = fc.oneof(
    event.map((one) => JSON.stringify(one)),
    fc.array(event, { maxLength: 3 }).map((many) => JSON.stringify(many)),
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes)),
  );
  const contentType = fc.constantFrom(
    'application/json',
    'application/cloudevents+json',
    'application/cloudevents-batch+json; charset=utf-8',
    'application/json; charset="',
    ';',
    'a/b+json',
  );
  const headerText = fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((text) => text.trim());
  const headers = fc.dictionary(
    fc.constantFrom('ce-id', 'ce-specversion', 'ce-x', 'ce-data', 'ce-__proto__'),
    headerText,
    {
      maxKeys: 2,
    },
  );
  await fc.assert(
    fc.asyncProperty(body, contentType, headers, async (sent, type, more) => {
      await gateway.clear();
      const response = await gateway.post(sent, type, more);
      if (response.status === 204) return true;
      expect([400, 413, 415]).toContain(response.status);
      await problemOf(response);
      return (await gateway.frames()).length === 0;
    }),
    { numRuns: 400 },
  );
});

/** A text as a client's bytes of UTF-8 look to fetch, which sends each character as a byte. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
