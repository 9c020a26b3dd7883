import { optional, readConfig, text } from './config.ts';

/**
 * Named steps at which the fault suite (tests/fault) kills the process: `USAGE_FAIL_POINT=after-commit` at the first
 * pass, `after-commit:3` at the third. Without the variable, as in every real run, a fail point does nothing.
 */
const { failPoint: wanted } = readConfig({
  failPoint: optional(
    text('USAGE_FAIL_POINT', { about: 'step at which the process kills itself, for tests' }),
  ),
});
const [wantedStep, wantedPass = '1'] = wanted?.split(':') ?? [];
let passes = 0;

export function failPoint(step: string): void {
  if (step !== wantedStep) return;
  passes++;
  // SIGKILL: no handler, no flush, no farewell.
  if (passes >= Number(wantedPass)) process.kill(process.pid, 'SIGKILL');
}
