const keySeparator = '\u0000';

/** The key of a series within a build: subject and group values, which hold no NUL. */
export function seriesKey(subject: string, groups: readonly string[]): string {
  return groups.length === 0 ? subject : subject + keySeparator + groups.join(keySeparator);
}
