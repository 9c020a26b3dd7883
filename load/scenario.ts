import type { Outcome, Progress } from './report.ts';
import { connectStack, type Stack, type StackOptions, type StackUrls, startStack } from './stack.ts';

/** What a scenario is run with. */
export interface Run {
  /** How long events are sent; undefined: what the scenario takes by itself. */
  seconds: number | undefined;
  /** How many events are stored beforehand, where the scenario stores some. */
  events: number | undefined;
  /** A stack that runs already. */
  urls: StackUrls | undefined;
  /** What the scenarios before it in the same call came to. */
  before: readonly Outcome[];
  progress: Progress;
}

export type Scenario = (run: Run) => Promise<Outcome>;

/** Runs with a stack that is stopped afterwards: one of its own, or the one that runs already. */
export async function withStack<T>(
  run: Run,
  use: (stack: Stack) => Promise<T>,
  options: StackOptions = {},
): Promise<T> {
  run.progress(run.urls ? `using ${run.urls.url}` : 'starting the stack');
  const stack = run.urls ? await connectStack(run.urls) : await startStack(options);
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}
