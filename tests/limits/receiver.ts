import { Webhook } from 'standardwebhooks';

export interface Received {
  id: string;
  path: string;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON was sent
  body: any;
}

/** An endpoint for webhooks that checks the signature; `answer` decides by path and number of the request. */
export class Receiver {
  readonly received: Received[] = [];
  readonly #server;
  #woken = Promise.withResolvers<void>();
  secret = '';
  answer: (one: Received, n: number) => Response | Promise<Response> = () => new Response('ok');

  constructor() {
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: async (request) => {
        const text = await request.text();
        const headers = Object.fromEntries(request.headers);
        const body = new Webhook(this.secret).verify(text, headers);
        const one = {
          id: headers['webhook-id']!,
          path: new URL(request.url).pathname,
          headers: request.headers,
          body,
        };
        this.received.push(one);
        this.#woken.resolve();
        this.#woken = Promise.withResolvers<void>();
        return this.answer(one, this.received.filter(({ path }) => path === one.path).length);
      },
    });
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#server.port}${path}`;
  }

  /** Once so many came to the path. */
  async wait(path: string, count: number, msMax = 10_000): Promise<Received[]> {
    const deadline = performance.now() + msMax;
    for (;;) {
      const own = this.received.filter((one) => one.path === path);
      if (own.length >= count) return own;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${own.length} of ${count} came to ${path}`);
      await Promise.race([this.#woken.promise, Bun.sleep(left)]);
    }
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }
}
