/** Why a text that somebody types is no JSON; undefined where it is, or where nothing is typed. */
export function jsonIssue(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return `This is not JSON: ${(error as Error).message}`;
  }
}
