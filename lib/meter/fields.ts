export interface MeterFault {
  /** Where, like `groupBy.model`; empty when it is the whole. */
  field: string;
  reason: string;
}

export const metadataKeysMax = 64;
const metadataKeyLengthMax = 256;
export const metadataValueLengthMax = 4_096;

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Why it is not a text that PostgreSQL can store; lengths in Unicode characters, as JSON Schema counts them. */
export function textFault(value: unknown, length: { min: number; max: number }): string | undefined {
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

/** Metadata is texts by name, null or absent. */
export function metadataFaults(metadata: unknown): MeterFault[] {
  if (metadata === undefined || metadata === null) return [];
  if (!isJsonObject(metadata)) return [{ field: 'metadata', reason: 'expected an object of texts' }];
  const entries = Object.entries(metadata);
  if (entries.length > metadataKeysMax) {
    return [{ field: 'metadata', reason: `must not have more than ${metadataKeysMax} keys` }];
  }
  const faults: MeterFault[] = [];
  for (const [key, value] of entries) {
    const keyFault = textFault(key, { min: 1, max: metadataKeyLengthMax });
    if (keyFault) faults.push({ field: 'metadata', reason: `a key ${keyFault}` });
    const fault = textFault(value, { min: 0, max: metadataValueLengthMax });
    if (fault) faults.push({ field: keyFault ? 'metadata' : `metadata.${key}`, reason: fault });
  }
  return faults;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
