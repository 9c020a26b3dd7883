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

/** What an error says; of the command that Redis refused its name alone, since it carries passwords and tenants' events. */
export function loggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { command, ...said } = pino.stdSerializers.err(error);
  return command === undefined ? said : { ...said, command: (command as { name?: unknown }).name };
}
