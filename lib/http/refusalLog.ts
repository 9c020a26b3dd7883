import type { Logger } from '../service/log.ts';
import type { Problem } from './problem.ts';

/** While Redis or the database is away every request is refused: one line says it, not 50,000 a second. */
const pauseMs = 1_000;

/** Logs refusals (5xx) at warn, each code at most once a second with how many were left out in between. */
export function createRefusalLog(log: Logger) {
  const states = new Map<string, { quietUntilMs: number; leftOut: number }>();
  return (problem: Problem, requestId: string) => {
    const nowMs = performance.now();
    const state = states.get(problem.code) ?? { quietUntilMs: 0, leftOut: 0 };
    states.set(problem.code, state);
    if (nowMs < state.quietUntilMs) {
      state.leftOut++;
      return;
    }
    const { code, detail, cause } = problem;
    log.warn({ requestId, code, detail, err: cause, leftOut: state.leftOut }, 'request refused');
    state.quietUntilMs = nowMs + pauseMs;
    state.leftOut = 0;
  };
}
