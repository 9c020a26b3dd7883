/**
 * JSON.parse for answers of the API: a number that a double does not hold stays its text (JSON.rawJSON), so that
 * JSON.stringify shows each digit as it came. Browsers without rawJSON show the nearest double.
 */
type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const json = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON?(text: string): unknown;
  isRawJSON?(value: unknown): value is { rawJSON: string };
};

export function parseExact(text: string): unknown {
  if (!json.rawJSON) return JSON.parse(text);
  return json.parse(text, (_key, value, context) => {
    const { source } = context ?? {};
    if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
    return json.rawJSON!(source);
  });
}

/** The text of a number as it came; undefined for what is none. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return json.isRawJSON?.(value) ? value.rawJSON : undefined;
}
