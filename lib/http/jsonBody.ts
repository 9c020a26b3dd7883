import { parseJson } from '../json/parse.ts';
import { parseBody, readBody } from './body.ts';
import { Problem } from './problem.ts';

const jsonMediaType = /^application\/(?:[\w.-]+\+)?json$/;
const charset = /charset\s*=\s*"?([\w-]+)"?/i;
/** Deeper JSON is refused: PostgreSQL's parser and ours recurse. */
const depthMax = 64;

/**
 * The parsed JSON of a request whose route reads its body itself (`parse: 'none'`). Problems: 415 for another media
 * type, 413 beyond `bytesMax`, 400 for what is not UTF-8, not JSON or nested deeper than 64.
 */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  return (await readText(request, bytesMax)).value;
}

/** The same; numbers that a double can't hold keep every digit, as JSON.rawJSON (lib/json/parse.ts). */
export async function readExactJson(request: Request, bytesMax: number): Promise<unknown> {
  return parseJson((await readText(request, bytesMax)).text);
}

async function readText(request: Request, bytesMax: number): Promise<{ text: string; value: unknown }> {
  requireJson(request.headers.get('content-type'));
  const { text } = await readBody(request, bytesMax);
  if (text.trim() === '') throw new Problem('bad_request', 'The body is empty; JSON is expected.');
  const value = parseBody(text);
  if (isDeeperThan(value, depthMax)) {
    throw new Problem('bad_request', `The JSON is nested deeper than ${depthMax} levels.`);
  }
  return { text, value };
}

/** Problems: 415 for another media type, or another encoding than UTF-8. */
export function requireJson(contentType: string | null): void {
  if (contentType === null) return;
  const [mediaType = ''] = contentType.split(';', 1);
  const encoding = charset.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  if (
    jsonMediaType.test(mediaType.trim().toLowerCase()) &&
    ['utf-8', 'utf8', 'us-ascii'].includes(encoding)
  ) {
    return;
  }
  throw new Problem('unsupported_media_type', 'The Content-Type must be application/json, in UTF-8.');
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((member) => isDeeperThan(member, depth - 1));
}
