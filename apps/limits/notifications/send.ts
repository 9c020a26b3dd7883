import { type ClientRequestArgs, type IncomingMessage, request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Attempt, DueDelivery } from '@usage/db/notifications/deliveries.ts';
import { Webhook } from 'standardwebhooks';
import { isRefused, publicLookup, RefusedAddress } from './addresses.ts';

const bodyCharsMax = 1_024;

export interface SendOptions {
  /** From the connection to the end of the answer that is kept. */
  msMax: number;
  /** 'public': loopback, link-local and private addresses are refused. */
  addresses: 'public' | 'any';
}

/** One POST, signed as standardwebhooks.com says; redirects are not followed. Never rejects. */
export async function send(delivery: DueDelivery, options: SendOptions): Promise<Attempt> {
  const startedMs = performance.now();
  const attempt = (state: Attempt['state'], body: string, statusCode?: number): Attempt => ({
    state,
    statusCode,
    body: body.toWellFormed().replaceAll('\0', '\ufffd').slice(0, bodyCharsMax),
    durationMs: Math.round(performance.now() - startedMs),
    url: delivery.url,
  });
  try {
    const { statusCode, body } = await post(delivery, options);
    const succeeded = statusCode >= 200 && statusCode < 300;
    return attempt(succeeded ? 'SUCCESS' : 'FAILED', body, statusCode);
  } catch (error) {
    return attempt('FAILED', (error as Error).message);
  }
}

async function post(
  delivery: DueDelivery,
  { msMax, addresses }: SendOptions,
): Promise<{ statusCode: number; body: string }> {
  const url = new URL(delivery.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (addresses === 'public' && isIP(host) > 0 && isRefused(host)) throw new RefusedAddress(host);
  const body = JSON.stringify(delivery.payload);
  const now = new Date();
  const options: ClientRequestArgs = {
    method: 'POST',
    protocol: url.protocol,
    hostname: host,
    ...(url.port && { port: url.port }),
    path: `${url.pathname}${url.search}`,
    agent: false,
    ...(addresses === 'public' && { lookup: publicLookup }),
    headers: {
      ...delivery.customHeaders,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'usage-tracking-webhooks',
      'webhook-id': delivery.eventId,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'webhook-signature': new Webhook(delivery.signingSecret).sign(delivery.eventId, now, body),
    },
  };
  const answered = Promise.withResolvers<{ statusCode: number; body: string }>();
  const request = (url.protocol === 'https:' ? overHttps : overHttp)(options, (response) => {
    readStart(response).then(
      (text) => answered.resolve({ statusCode: response.statusCode ?? 0, body: text }),
      answered.reject,
    );
  });
  const timer = setTimeout(() => {
    request.destroy();
    answered.reject(new Error(`no answer within ${msMax} ms`));
  }, msMax);
  request.on('error', answered.reject);
  request.end(body);
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    request.destroy();
  }
}

/** The rest of a long answer is not read. */
async function readStart(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length >= bodyCharsMax) break;
  }
  return text.slice(0, bodyCharsMax);
}
