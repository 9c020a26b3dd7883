import { Problem } from './problem.ts';

/** The request's URL. Throws 400 where its Host makes none; routes that need nothing of the URL don't look at Host. */
export function urlOf(request: Request): URL {
  const url = parsedUrlOf(request);
  if (url) return url;
  throw badHost();
}

/** Bun tells the bare path where Host makes no URL, or what can't be parsed. */
export function parsedUrlOf({ url }: Request): URL | null {
  return url.startsWith('http') ? URL.parse(url) : null;
}

export function badHost(): Problem {
  return new Problem('bad_request', 'The header Host must be a name or an address, and at most a port.');
}
