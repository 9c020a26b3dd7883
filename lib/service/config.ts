/**
 * Typed settings, read once from the environment. Every issue is reported together, so that a wrong start is
 * mended in one go.
 */

export interface Setting<T> {
  name: string;
  /** The value where the variable is not set; undefined makes it required. */
  fallback: string | undefined;
  /** What it is, with its unit; the table of docs/settings.md is held against this. */
  about: string;
  /** Never shown, not even where it is wrong. */
  secret?: true;
  /** Returns the value or throws an Error that says what is expected. */
  parse(text: string): T;
}

export type Settings = Record<string, Setting<unknown>>;
export type ConfigOf<S extends Settings> = { [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export class ConfigError extends Error {
  constructor(readonly issues: string[]) {
    super(`The configuration is wrong:\n${issues.map((issue) => `  - ${issue}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** Reads every setting; throws one ConfigError that names all issues. An empty variable counts as not set. */
export function readConfig<S extends Settings>(
  settings: S,
  env: Record<string, string | undefined> = process.env,
): ConfigOf<S> {
  const issues: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(settings)) {
    const text = env[setting.name] || setting.fallback;
    if (text === undefined) {
      issues.push(`${setting.name} is not set (${setting.about})`);
      continue;
    }
    try {
      config[key] = setting.parse(text);
    } catch (error) {
      issues.push(`${setting.name}=${shown(setting, text)}: ${(error as Error).message} (${setting.about})`);
    }
  }
  if (issues.length > 0) throw new ConfigError(issues);
  return config as ConfigOf<S>;
}

/** Passwords in URLs are left out, also those that hold an @ or a / as they are. */
function shown(setting: Setting<unknown>, text: string): string {
  return setting.secret ? '…' : text.replace(/:\/\/.*@/s, '://…@').replace(/(password=)[^&]*/g, '$1…');
}

interface Options {
  default?: string | number;
  about: string;
}

export function text(name: string, options: Options): Setting<string> {
  return { name, fallback: options.default?.toString(), about: options.about, parse: (value) => value };
}

/** A setting that may be left out: undefined then. */
export function optional<T>(setting: Setting<T>): Setting<T | undefined> {
  return { ...setting, fallback: '', parse: (value) => (value === '' ? undefined : setting.parse(value)) };
}

/** Visible ASCII, so that it fits a header. */
export function secret(name: string, options: Options & { lengthMin: number }): Setting<string> {
  const { lengthMin } = options;
  return {
    name,
    fallback: undefined,
    about: options.about,
    secret: true,
    parse(value) {
      if (value.length < lengthMin || !/^[\x21-\x7e]{1,512}$/.test(value)) {
        throw new Error(`expected ${lengthMin} to 512 visible ASCII characters without spaces`);
      }
      return value;
    },
  };
}

export function integer(name: string, options: Options & { min: number; max: number }): Setting<number> {
  const { min, max } = options;
  return {
    name,
    fallback: options.default?.toString(),
    about: options.about,
    parse(value) {
      const number = Number(value);
      if (!/^-?\d+$/.test(value) || number < min || number > max) {
        throw new Error(`expected a whole number from ${min} to ${max}`);
      }
      return number;
    },
  };
}

export function oneOf<const T extends string>(
  name: string,
  values: readonly T[],
  options: Options,
): Setting<T> {
  return {
    name,
    fallback: options.default?.toString(),
    about: options.about,
    parse(value) {
      if (!(values as readonly string[]).includes(value))
        throw new Error(`expected one of ${values.join(', ')}`);
      return value as T;
    },
  };
}

export function url(name: string, protocols: readonly string[], options: Options): Setting<string> {
  return {
    name,
    fallback: options.default?.toString(),
    about: options.about,
    parse(value) {
      const parsed = URL.parse(value);
      if (!parsed || !protocols.includes(parsed.protocol)) {
        throw new Error(`expected a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
      }
      return value;
    },
  };
}
