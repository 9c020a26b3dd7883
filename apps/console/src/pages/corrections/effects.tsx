import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import { api, dataOf } from '../../api/client.ts';
import type { Corrected } from '../../api/queries.ts';
import { exactNumber, wholeNumber } from '../../app/format.ts';
import { Failure, Notice, SkeletonRows } from '../../ui/parts.tsx';

/** JSON text of a request to /api/v1/corrections, without its reason: data stay as they were typed. */
export type CorrectionText = string;

/** Sends the request as it stands, with a reason, so that not a digit of the data is lost. */
export function sendCorrection(
  body: CorrectionText,
  reason: string,
  options: { dryRun: boolean; signal?: AbortSignal },
): Promise<Corrected> {
  const whole = `${body.slice(0, -1)},"reason":${JSON.stringify(reason)},"dryRun":${options.dryRun}}`;
  return dataOf(
    api.POST('/api/v1/corrections', {
      body: whole as never,
      bodySerializer: (text) => text as unknown as string,
      headers: { 'Content-Type': 'application/json' },
      ...(options.signal && { signal: options.signal }),
    }),
  );
}

/** A dry run of the correction. undefined = there is nothing to run yet. */
export function useDryRun(body: CorrectionText | undefined) {
  return useQuery({
    queryKey: ['dry run', body],
    enabled: body !== undefined,
    queryFn: ({ signal }) => sendCorrection(body!, 'dry run', { dryRun: true, signal }),
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 0,
  });
}

/** How many events a correction is about, and what each meter loses or gains. */
export function Effects({ dryRun }: { dryRun: ReturnType<typeof useDryRun> }) {
  if (dryRun.error) return <Failure error={dryRun.error} />;
  if (!dryRun.data) return dryRun.fetchStatus === 'fetching' ? <SkeletonRows rows={2} /> : null;
  const { events, unchanged, effects } = dryRun.data;
  return (
    <div class="stack tight" data-testid="effects">
      <p>
        <span class="strong">{eventsText(events)}</span> will be corrected
        {unchanged > 0 && `; ${eventsText(unchanged)} already so`}.
      </p>
      {events > 0 && effects.length === 0 && <Notice>No meter counts {events === 1 ? 'it' : 'them'}.</Notice>}
      {effects.length > 0 && (
        <div class="table-scroll">
          <table class="table">
            <thead>
              <tr>
                <th>Meter</th>
                <th class="right">Events</th>
                <th class="right">Sum of their values</th>
              </tr>
            </thead>
            <tbody>
              {effects.map(({ meter, events: counted, sum }) => (
                <tr key={meter}>
                  <td class="strong">{meter}</td>
                  <td class="right number">
                    {wholeNumber(counted.before)} → {wholeNumber(counted.after)}
                  </td>
                  <td class="right number">
                    {sum ? `${exactNumber(sum.before)} → ${exactNumber(sum.after)}` : ''}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function eventsText(count: number): string {
  return `${wholeNumber(count)} ${count === 1 ? 'event' : 'events'}`;
}
