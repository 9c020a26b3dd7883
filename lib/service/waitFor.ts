import type { App } from './app.ts';

const pauseMsMin = 200;
const pauseMsMax = 3_000;

/**
 * Tries to begin until it succeeds or the app is being stopped: an app that comes up before its database or Redis is
 * alive, not ready, and begins by itself once they are there. Each different fault is logged once.
 */
export async function waitFor(app: App, what: string, begin: () => Promise<void>): Promise<void> {
  let lastMessage = '';
  for (let tries = 0; !app.stopping; tries++) {
    try {
      return await begin();
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastMessage) app.log.warn({ err: error }, `waiting for ${what}`);
      lastMessage = message;
      await app.pause(Math.min(pauseMsMin * 2 ** tries, pauseMsMax));
    }
  }
}
