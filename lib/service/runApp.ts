import { ConfigError } from './config.ts';
import { StartError } from './startError.ts';

/**
 * Runs an app's main function. What keeps it from starting is said in plain words on standard error, and ends the process
 * with exit code 1; a stack is shown for a mistake of the program alone.
 */
export async function runApp(main: () => Promise<unknown>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(saidTo(error));
    process.exit(1);
  }
}

/** What a person at the keyboard reads of an error that ended a start: errors of servers and the system speak for themselves. */
export function saidTo(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const isExpected = error instanceof StartError || error instanceof ConfigError || typeof code === 'string';
  if (!isExpected) return error.stack ?? error.message;
  return error.message || String(code);
}
