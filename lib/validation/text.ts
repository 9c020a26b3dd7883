/** Why it is not a text that PostgreSQL can store; lengths in Unicode characters, as JSON Schema counts them. */
export function textIssue(value: unknown, length: { min: number; max: number }): string | undefined {
  if (typeof value !== 'string') return `expected a text, got ${kindOf(value)}`;
  if (!value.isWellFormed()) return 'must not contain half of a UTF-16 surrogate pair';
  if (value.includes('\0')) return 'must not contain the character NUL';
  // A text has at least as many UTF-16 units as characters: most need no count.
  if (value.length > length.max && [...value.slice(0, length.max * 2 + 1)].length > length.max) {
    return `must not be longer than ${length.max} characters`;
  }
  if (value.length < length.min) return 'must not be empty';
  return undefined;
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
