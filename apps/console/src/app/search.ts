import { useMemo } from 'preact/hooks';
import { useLocation, useSearch } from 'wouter-preact';

/** The state of a page lives in its URL, so that it can be reloaded, gone back to and sent to a colleague. */
export interface UrlState {
  get(name: string): string | undefined;
  all(name: string): string[];
  /** undefined and '' remove a parameter. `replace` adds no step to the browser's history. */
  set(changes: Record<string, string | string[] | undefined>, options?: { replace?: boolean }): void;
}

export function useUrlState(): UrlState {
  // Decoded once already by wouter, so it says that something has changed, and no more.
  const search = useSearch();
  const [path, navigate] = useLocation();
  return useMemo(() => {
    const query = new URLSearchParams(location.search);
    return {
      get: (name) => query.get(name) ?? undefined,
      all: (name) => query.getAll(name),
      set(changes, { replace = false } = {}) {
        const next = new URLSearchParams(location.search);
        for (const [name, value] of Object.entries(changes)) {
          next.delete(name);
          for (const one of [value ?? []].flat()) if (one !== '') next.append(name, one);
        }
        const text = next.toString();
        navigate(text ? `${path}?${text}` : path, { replace });
      },
    };
  }, [search, path, navigate]);
}

/** A path of the console with a query. */
export function linkTo(path: string, query: Record<string, string | string[] | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of [value ?? []].flat()) search.append(name, one);
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}
