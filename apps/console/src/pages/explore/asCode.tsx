import { grafanaQuery } from '@usage/db/usage/grafanaQuery.ts';
import { useState } from 'preact/hooks';
import type { Meter } from '../../api/queries.ts';
import { session } from '../../app/session.ts';
import { Dialog } from '../../ui/form.tsx';
import { CodeBlock, Segmented } from '../../ui/parts.tsx';
import { type ExploreState, queryBody } from './state.ts';

const kinds = [
  { value: 'curl', label: 'curl' },
  { value: 'sdk', label: 'TypeScript SDK' },
  { value: 'sql', label: 'Grafana SQL' },
] as const;
type Kind = (typeof kinds)[number]['value'];

/** The query that is shown, to be run elsewhere. */
export function AsCode({
  meter,
  state,
  onClose,
}: {
  meter: Meter;
  state: ExploreState;
  onClose: () => void;
}) {
  const [kind, setKind] = useState<Kind>('curl');
  return (
    <Dialog title="This query as code" wide onClose={onClose}>
      <div class="body">
        <Segmented label="Kind of code" options={kinds} value={kind} onChange={setKind} />
        <CodeBlock label={`The query as ${kind}`} code={codeOf(kind, meter, state)} />
        {kind === 'sql' && (
          <p class="small muted">
            For a panel of Grafana’s PostgreSQL source (the reader of compose may read these tables). It reads
            the rollups: some seconds behind, by whole {/^MINUTE|M$/.test(state.window) ? 'minutes' : 'hours'}
            ; the API’s answer is exact at once.
            {(state.asOf || state.top) && ' It knows neither “as of” nor the largest groups.'}
          </p>
        )}
      </div>
    </Dialog>
  );
}

function codeOf(kind: Kind, meter: Meter, state: ExploreState): string {
  const body = queryBody(state, { window: state.window, groupBy: state.groupBy });
  const hasKeys = session.value?.auth === 'keys';
  if (kind === 'curl') {
    const key = hasKeys ? ` \\\n  -H "Authorization: Bearer $API_KEY"` : '';
    const json = JSON.stringify(body, undefined, 2).replaceAll("'", "'\\''");
    return `curl ${location.origin}/api/v1/meters/${meter.slug}/query${key} \\\n  -H 'Content-Type: application/json' -d '${json}'`;
  }
  if (kind === 'sdk') {
    const key = hasKeys ? ", apiKey: 'usage_…'" : '';
    return `import { OpenMeter } from '@openmeter/sdk';

const openmeter = new OpenMeter({ baseUrl: '${location.origin}'${key} });
const usage = await openmeter.meters.query('${meter.slug}', ${JSON.stringify(sdkQuery(body), undefined, 2)});
console.table(usage?.data);`;
  }
  return grafanaQuery({
    namespace: session.value?.namespace ?? 'default',
    slug: meter.slug,
    aggregation: meter.aggregation,
    window: state.window,
    zone: state.zone,
    meterGroups: Object.keys(meter.groupBy ?? {}).sort(),
    groupBy: state.groupBy,
    subjects: state.subjects,
    filters: state.filters,
  });
}

/** The SDK's GET takes one value a filter. */
function sdkQuery({ filterGroupBy, ...query }: ReturnType<typeof queryBody>) {
  if (!filterGroupBy) return query;
  return {
    ...query,
    filterGroupBy: Object.fromEntries(
      Object.entries(filterGroupBy).map(([name, values]) => [name, values[0]]),
    ),
  };
}
