import { api } from '../../api/client.ts';
import { toast } from '../../ui/parts.tsx';
import { type ExploreState, queryBody } from './state.ts';

/** The API's own CSV of the query that is shown, saved as a file. */
export async function downloadCsv(state: ExploreState): Promise<void> {
  try {
    const { data } = await api.POST('/api/v1/meters/{meterIdOrSlug}/query', {
      params: { path: { meterIdOrSlug: state.meter! } },
      body: queryBody(state, { window: state.window, groupBy: state.groupBy }),
      headers: { Accept: 'text/csv' },
      parseAs: 'blob',
    });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(data as Blob);
    link.download = `${state.meter}-${state.range.from.slice(0, 10)}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    toast((error as Error).message, true);
  }
}
