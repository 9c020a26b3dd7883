import { type Static, Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import { backfillProgress } from '@usage/db/meters/backfills.ts';
import { jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { fromDatabase } from '../database.ts';

const Rebuild = Type.Object({
  done: Type.Boolean({
    description: 'false: the rollups are being made, and queries read the events until they are.',
  }),
  eventsRead: Type.Number({
    description: 'Events read so far, of any type and namespace; 0 once it is done.',
  }),
  eventsToRead: Type.Number({ description: 'Events to be read in all; 0 once it is done.' }),
});
export type Rebuild = Static<typeof Rebuild>;

/** How far the rollups of a new or regrouped meter are made. Problems: 404, 503. */
export async function showRebuild(sql: Sql, namespace: string, idOrSlug: string): Promise<Rebuild> {
  const progress = await fromDatabase(backfillProgress(sql, namespace, idOrSlug));
  if (!progress)
    throw new Problem('not_found', `There is no meter ${JSON.stringify(idOrSlug.slice(0, 64))}.`);
  return { done: progress.is_done, eventsRead: progress.events_done, eventsToRead: progress.events_total };
}

export const rebuildDetail = {
  tags: ['Meters'],
  operationId: 'getMeterRebuild',
  summary: 'Show how far a meter’s rollups are made',
  description:
    'After a meter is made, and after its groupBy has changed. Its answers are exact all the while.',
  parameters: [parameter('path', 'meterIdOrSlug', Type.String(), 'Its id or slug.', 'tokens_total')],
  responses: {
    200: jsonResponse('How far.', Rebuild, { done: false, eventsRead: 40_000, eventsToRead: 1_000_000 }),
    ...problemResponses(404),
  },
};

const Progress = Type.Object({
  success: Type.Integer({ description: 'Events that were read.' }),
  failed: Type.Integer(),
  total: Type.Integer({ description: 'Events to be read in all.' }),
  updatedAt: Type.String({ format: 'date-time' }),
});

/** OpenMeter's progress of a task; here the one task that a client can wait for is the making of a meter's rollups. */
export async function showProgress(
  sql: Sql,
  namespace: string,
  id: string,
): Promise<Static<typeof Progress>> {
  const { eventsRead, eventsToRead } = await showRebuild(sql, namespace, id);
  return { success: eventsRead, failed: 0, total: eventsToRead, updatedAt: new Date().toISOString() };
}

export const progressDetail = {
  tags: ['Meters'],
  operationId: 'getProgress',
  summary: 'Show the progress of a task',
  description:
    'The id is that of a meter whose rollups are being made; `success` equals `total` when they are.',
  parameters: [parameter('path', 'id', Type.String(), 'Id or slug of a meter.', 'tokens_total')],
  responses: {
    200: jsonResponse('How far.', Progress, {
      success: 40_000,
      failed: 0,
      total: 1_000_000,
      updatedAt: '2026-11-22T10:00:00.123Z',
    }),
    ...problemResponses(404),
  },
};
