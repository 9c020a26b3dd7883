import { Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { describedParameters, readParameters } from '@usage/lib/http/parameters.ts';
import { MeterCreate, MeterUpdateBody } from '@usage/lib/meter/fields.ts';
import { Elysia } from 'elysia';
import { createExample, Meter, MeterListQuery, meterExample, updateExample } from './model.ts';
import { progressDetail, rebuildDetail, showProgress, showRebuild } from './rebuild.ts';
import { createMeter, deleteMeter, getMeter, listMeters, updateMeter } from './service.ts';

export interface MeterRoutes {
  sql: Sql;
  namespaceOf: NamespaceOf;
}

/** Room for every limit of a definition at once. */
export const meterBodyBytesMax = 2 * 1024 * 1024;

/** /api/v1/meters: create, list, get, replace, delete. Errors are thrown as Problem. */
export function meterRoutes({ sql, namespaceOf }: MeterRoutes) {
  return new Elysia({ name: 'meters', prefix: '/api/v1/meters' })
    .post(
      '',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = await readJson(request, meterBodyBytesMax);
        return Response.json(await createMeter(sql, namespace, body), { status: 201 });
      },
      { parse: 'none', detail: createDetail },
    )
    .get(
      '',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read', 'admin');
        return Response.json(await listMeters(sql, namespace, readParameters(MeterListQuery, request)));
      },
      { detail: listDetail },
    )
    .get(
      '/:meterIdOrSlug',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'read', 'admin');
        return Response.json(await getMeter(sql, namespace, pathText(params.meterIdOrSlug)));
      },
      { detail: getDetail },
    )
    .get(
      '/:meterIdOrSlug/rebuild',
      async ({ request, params }) =>
        Response.json(
          await showRebuild(sql, namespaceOf(request, 'read', 'admin'), pathText(params.meterIdOrSlug)),
        ),
      { detail: rebuildDetail },
    )
    .put(
      '/:meterIdOrSlug',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = await readJson(request, meterBodyBytesMax);
        return Response.json(await updateMeter(sql, namespace, pathText(params.meterIdOrSlug), body));
      },
      { parse: 'none', detail: updateDetail },
    )
    .delete(
      '/:meterIdOrSlug',
      async ({ request, params }) => {
        const namespace = namespaceOf(request, 'admin');
        await deleteMeter(sql, namespace, pathText(params.meterIdOrSlug));
        return new Response(null, { status: 204 });
      },
      { parse: 'none', detail: deleteDetail },
    );
}

/** GET /api/v1/info/progress/{id}, as OpenMeter has it. */
export function progressRoutes({ sql, namespaceOf }: MeterRoutes) {
  return new Elysia({ name: 'progress' }).get(
    '/api/v1/info/progress/:id',
    async ({ request, params }) =>
      Response.json(await showProgress(sql, namespaceOf(request, 'read', 'admin'), pathText(params.id))),
    { detail: progressDetail },
  );
}

const tags = ['Meters'];
const idOrSlug = parameter('path', 'meterIdOrSlug', Type.String(), 'Its id or slug.', 'tokens_total');

const createDetail = {
  tags,
  operationId: 'createMeter',
  summary: 'Create a meter',
  description: 'It covers the events that are stored already, too.',
  requestBody: jsonRequest(MeterCreate, createExample),
  responses: {
    201: jsonResponse('The meter as created.', Meter, meterExample),
    ...problemResponses(400, 409, 413, 415),
  },
};

const listDetail = {
  tags,
  operationId: 'listMeters',
  summary: 'List meters',
  parameters: describedParameters(MeterListQuery),
  responses: {
    200: jsonResponse('The meters.', Type.Array(Meter), [meterExample]),
    ...problemResponses(400),
  },
};

const getDetail = {
  tags,
  operationId: 'getMeter',
  summary: 'Get a meter',
  parameters: [idOrSlug],
  responses: { 200: jsonResponse('The meter.', Meter, meterExample), ...problemResponses(404) },
};

const updateDetail = {
  tags,
  operationId: 'updateMeter',
  summary: 'Change a meter',
  parameters: [idOrSlug],
  requestBody: jsonRequest(MeterUpdateBody, updateExample),
  responses: {
    200: jsonResponse('The meter as changed.', Meter, meterExample),
    ...problemResponses(400, 404, 413, 415),
  },
};

const deleteDetail = {
  tags,
  operationId: 'deleteMeter',
  summary: 'Delete a meter',
  description: 'Its events stay; a new meter may take its slug.',
  parameters: [idOrSlug],
  responses: { 204: { description: 'It is deleted.' }, ...problemResponses(404) },
};
