import { type QueryKey, useInfiniteQuery } from '@tanstack/preact-query';
import type { UrlState } from '../app/search.ts';

/** Lists that come page by page: by number, where the API counts them, or each page after the one before. */
export const pageSize = 50;

/** The page that the URL names, from 1 on. */
export function pageIn(url: UrlState): number {
  return Math.max(1, Math.trunc(Number(url.get('page'))) || 1);
}

/** Two buttons to turn pages; nothing where one page holds all. */
export function PageTurner(props: { url: UrlState; totalCount: number; before: string; next: string }) {
  const { url, totalCount } = props;
  const page = pageIn(url);
  const pages = Math.ceil(totalCount / pageSize);
  if (pages <= 1 && page === 1) return null;
  const go = (to: number) => url.set({ page: to === 1 ? undefined : String(to) });
  return (
    <div class="row">
      <button type="button" class="button" disabled={page === 1} onClick={() => go(page - 1)}>
        {props.before}
      </button>
      <span class="muted">
        page {page} of {Math.max(pages, 1)}
      </span>
      <button type="button" class="button" disabled={page >= pages} onClick={() => go(page + 1)}>
        {props.next}
      </button>
    </div>
  );
}

interface Chunk<Item> {
  items: Item[];
  /** Where the next page begins; undefined after the last. */
  next: string | undefined;
}

/** A list whose pages follow each other: `fetchPage` gets where the page begins, undefined for the first. */
export function useChunks<Item>(
  queryKey: QueryKey,
  fetchPage: (after: string | undefined, signal: AbortSignal) => Promise<Chunk<Item>>,
) {
  const chunks = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }: Chunk<Item>) => next,
  });
  return { ...chunks, items: chunks.data?.pages.flatMap(({ items }) => items) ?? [] };
}

/** For lists that say no more than where to go on: a full page has one after it, from its last item on. */
export function chunkOf<Item extends { id: string }>(items: Item[]): Chunk<Item> {
  return { items, next: items.length === pageSize ? items.at(-1)?.id : undefined };
}

/** Fetches the next page; nothing after the last. */
export function MoreButton(props: {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  label: string;
  small?: boolean;
}) {
  const { list, label } = props;
  if (!list.hasNextPage) return null;
  return (
    <button
      type="button"
      class={`button ${props.small ? 'small' : ''}`}
      disabled={list.isFetchingNextPage}
      onClick={() => void list.fetchNextPage()}
    >
      {list.isFetchingNextPage ? 'Loading …' : label}
    </button>
  );
}
