import type { App } from './app.ts';
import { StartError } from './startError.ts';

const pauseMsMin = 200;
const pauseMsMax = 3_000;

/**
 * Tries to begin until it succeeds or the app is being stopped: an app that comes up before its database or Redis is
 * alive, not ready, and begins by itself once they are there. Each different fault is logged once. A StartError, which no
 * waiting mends, stops the app at once.
 */
export async function waitFor(app: App, what: string, begin: () => Promise<void>): Promise<void> {
  let lastReason = '';
  for (let tries = 0; !app.stopping; tries++) {
    try {
      return await begin();
    } catch (error) {
      if (error instanceof StartError) {
        app.log.fatal(error.message);
        return app.stopBecause(`fault: ${error.message}`);
      }
      const { message, code } = error as Error & { code?: string };
      const reason = message || code || String(error);
      if (reason !== lastReason) app.log.warn({ reason, code }, `waiting for ${what}`);
      lastReason = reason;
      await app.pause(Math.min(pauseMsMin * 2 ** tries, pauseMsMax));
    }
  }
}
