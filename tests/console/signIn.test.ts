import { afterAll, beforeAll, expect, test } from 'bun:test';
import { seriousFaults } from './accessibility.ts';
import { type ConsoleUnderTest, describeInBrowser, startConsole, startMsMax } from './browser.ts';

/** AUTH=keys: a key becomes a session. */
const adminKey = 'the-operators-own-key-0123456789abcdef';

/** AUTH=keys: a key becomes a session. */
describeInBrowser('signing in', () => {
  let console_: ConsoleUnderTest;
  beforeAll(async () => {
    console_ = await startConsole({ AUTH: 'keys', ADMIN_API_KEY: adminKey });
  }, startMsMax);
  afterAll(() => console_?.stop(), startMsMax);

  const call = (method: string, path: string, headers: Record<string, string>, body?: unknown) =>
    fetch(console_.apps.url + path, {
      method,
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const makeKey = async (scopes: string[]) => {
    const made = await call(
      'POST',
      '/api/v1/keys',
      { Authorization: `Bearer ${adminKey}` },
      { name: 'reader', scopes },
    );
    return (await made.json()) as { key: string; prefix: string };
  };
  const cookieOf = async (key: string) => {
    const response = await call('POST', '/api/v1/session', {}, { key });
    expect(response.status).toBe(200);
    return response.headers.get('set-cookie')!;
  };

  test('a wrong key is refused in words; a good one shows what its scopes allow; signing out ends it', async () => {
    const { key } = await makeKey(['read']);
    const { page, context, faults } = await console_.open('/console/events');
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByLabel('API key').fill(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This key is not known here').waitFor();

    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const pages = page.getByRole('navigation', { name: 'Pages' });
    await pages.getByRole('link', { name: 'Meters' }).waitFor();
    expect(await pages.getByRole('link', { name: 'API keys' }).count()).toBe(0);
    expect(page.url()).toEndWith('/console/events');
    await page.reload();
    await pages.getByRole('link', { name: 'Meters' }).waitFor();
    await page.goto(`${console_.apps.url}/console/keys`);
    await page.getByText('This key lacks the scope “admin”').waitFor();
    // What it may read is shown, without what it may not do.
    for (const [path, text, action] of [
      ['corrections', 'No corrections', 'Void many events'],
      ['notifications', 'No rules yet', 'Create a rule'],
      ['customers', 'No customers yet', 'Create a customer'],
    ] as const) {
      await page.goto(`${console_.apps.url}/console/${path}`);
      await page.getByText(text).waitFor();
      expect(await page.getByRole('button', { name: action }).count()).toBe(0);
    }

    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: 'usage_session', httpOnly: true, sameSite: 'Strict' });
    expect(cookie!.value).not.toContain(key);
    expect(await page.evaluate<string>('document.cookie + JSON.stringify(localStorage)')).not.toContain(
      key.slice(15),
    );

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(await context.cookies()).toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
  });

  test('a session works on the query service too, and ends with its key', async () => {
    const { key, prefix } = await makeKey(['read']);
    const Cookie = (await cookieOf(key)).split(';')[0]!;
    const list = (origin: string) => fetch(`${origin}/api/v1/events`, { headers: { Cookie } });
    const { url, queryUrl } = console_.apps;
    while ((await list(queryUrl)).status === 401) await Bun.sleep(20); // until it knows the new key
    expect((await list(url)).status).toBe(200);
    await call('DELETE', `/api/v1/keys/${prefix}`, { Authorization: `Bearer ${adminKey}` });
    expect((await list(url)).status).toBe(401);
  });

  test('a session does nothing for pages of other sites', async () => {
    const Cookie = (await cookieOf(adminKey)).split(';')[0]!;
    const subject = [{ key: 'forged' }];
    const post = async (headers: Record<string, string>) =>
      (await call('POST', '/api/v1/subjects', { Cookie, ...headers }, subject)).status;
    const own = { 'X-Usage-Console': '1' };
    expect(await post({})).toBe(403);
    expect(await post({ ...own, Origin: 'https://evil.example' })).toBe(403);
    expect(await post({ ...own, 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
    expect(await post({ ...own, 'Sec-Fetch-Site': 'same-site' })).toBe(403);
    expect((await call('GET', '/api/v1/session', { Cookie, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(
      403,
    );
    expect(await post({ ...own, 'Sec-Fetch-Site': 'same-origin' })).toBe(200);
    expect((await call('GET', '/api/v1/session', { Cookie: `${Cookie.slice(0, -2)}xx` })).status).toBe(401);
  });

  test('the root leads browsers to the console; its files are sent with their policy, packed and cached', async () => {
    const root = await call('GET', '/', { Accept: 'text/html,*/*' });
    expect([root.status, root.headers.get('location')]).toEqual([302, '/console']);
    expect((await call('GET', '/', { Accept: 'application/json' })).status).toBe(404);

    const page = await call('GET', '/console/explore?meter=x', {});
    const policy = page.headers.get('content-security-policy');
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const script = /src="(.+?)"/.exec(await page.text())![1]!;
    const asset = await call('GET', script, { 'Accept-Encoding': 'gzip' });
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect(asset.headers.get('content-encoding')).toBe('gzip');
    const again = await call('GET', script, { 'If-None-Match': asset.headers.get('etag')! });
    expect(again.status).toBe(304);
    expect((await call('GET', '/console/assets/none.js', {})).status).toBe(404);
  });

  test('the first page takes at most 200 kB on the wire', async () => {
    const page = await (await call('GET', '/console', {})).text();
    const files = [
      '/console',
      ...[...page.matchAll(/(?:src|href)="(\/console\/.+?)"/g)].map(([, path]) => path!),
    ];
    let bytes = 0;
    for (const path of files) {
      const response = await call('GET', path, { 'Accept-Encoding': 'gzip' });
      bytes += Bun.gzipSync(new Uint8Array(await response.arrayBuffer())).length;
    }
    expect(bytes).toBeLessThan(200_000);
  });
});
