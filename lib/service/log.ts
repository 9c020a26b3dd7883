import pino, { type Logger } from 'pino';

export type { Logger };

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** JSON lines on standard output, level by name, `service` on every line; secrets are never logged. */
export function createLog(service: string, level: string): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: loggedError },
    redact: {
      paths: ['authorization', '*.authorization', 'headers.authorization', 'password', '*.password'],
    },
  });
}

/**
 * What an error says, and the errors in it; of a command that Redis refused its name alone, since it carries passwords and
 * tenants' events. Causes are in `message` and `stack`, without anything else of theirs.
 */
export function loggedError(error: unknown): unknown {
  return error instanceof Error ? saidBy(error, []) : error;
}

function saidBy(error: Error, outer: readonly Error[]): Record<string, unknown> {
  const { type, message, stack } = pino.stdSerializers.err(error);
  const said: Record<string, unknown> = { type, message, stack };
  const within = [...outer, error];
  if (error instanceof AggregateError) said.aggregateErrors = errorsIn(error.errors, within);
  for (const key in error) {
    const value: unknown = error[key as keyof Error];
    if (key in said || (key === 'cause' && value instanceof Error)) continue;
    said[key] = key === 'command' ? nameOf(value) : errorsIn(value, within);
  }
  return said;
}

/** A property's value, each error in it as it is logged; one that it lies in itself by its message. */
function errorsIn(value: unknown, outer: readonly Error[]): unknown {
  if (Array.isArray(value)) return value.map((one) => errorsIn(one, outer));
  if (!(value instanceof Error)) return value;
  return outer.includes(value) ? value.message : saidBy(value, outer);
}

/** ioredis' commands are {name, args}. */
function nameOf(command: unknown): unknown {
  return (command as { name?: unknown } | null | undefined)?.name;
}
