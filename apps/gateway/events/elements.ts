/**
 * The elements of a JSON array as they stand in its text, so that some of them can be kept with every digit. The text
 * must have been parsed before. One pass, no recursion.
 */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at);
        break;
      case openBracket:
      case openBrace:
        if (depth++ === 0) start = at + 1;
        break;
      case closeBracket:
      case closeBrace:
        if (--depth === 0) add(elements, text.slice(start, at));
        break;
      case comma:
        if (depth === 1) {
          add(elements, text.slice(start, at));
          start = at + 1;
        }
    }
  }
  return elements;
}

const [quote, backslash, comma, openBracket, closeBracket, openBrace, closeBrace] = [
  34, 92, 44, 91, 93, 123, 125,
];

/** Where the string that begins at `at` ends. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (text.charCodeAt(end) !== quote) end += text.charCodeAt(end) === backslash ? 2 : 1;
  return end;
}

/** Nothing between the brackets is no element. */
function add(elements: string[], slice: string): void {
  const element = slice.trim();
  if (element !== '') elements.push(element);
}
