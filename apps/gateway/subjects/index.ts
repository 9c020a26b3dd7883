import { Type } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import type { NamespaceOf } from '@usage/lib/auth/access.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '@usage/lib/http/documentation.ts';
import { pathText } from '@usage/lib/http/invalid.ts';
import { readJson } from '@usage/lib/http/jsonBody.ts';
import { describedParameters, readParameters } from '@usage/lib/http/parameters.ts';
import { Elysia } from 'elysia';
import { Subject, SubjectListQuery, SubjectUpserts, subjectExample, upsertExample } from './model.ts';
import { deleteSubject, getSubject, listSubjects, upsertSubjects } from './service.ts';

export interface SubjectRoutes {
  sql: Sql;
  namespaceOf: NamespaceOf;
}

const subjectBodyBytesMax = 8 * 1024 * 1024;

const path = '/api/v1/subjects';

/** /api/v1/subjects: upsert, list, get, delete. Errors are thrown as Problem. */
export function subjectRoutes({ sql, namespaceOf }: SubjectRoutes) {
  return new Elysia({ name: 'subjects', prefix: path })
    .post(
      '',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'admin');
        const body = await readJson(request, subjectBodyBytesMax);
        return Response.json(await upsertSubjects(sql, namespace, body));
      },
      { parse: 'none', detail: upsertDetail },
    )
    .get(
      '',
      async ({ request }) => {
        const namespace = namespaceOf(request, 'read', 'admin');
        const query = readParameters(SubjectListQuery, request);
        const { subjects, pageSize, nextPage } = await listSubjects(sql, namespace, query);
        const next = `<${path}?page=${nextPage}&pageSize=${pageSize}>; rel="next"`;
        return Response.json(subjects, nextPage === undefined ? {} : { headers: { Link: next } });
      },
      { detail: listDetail },
    )
    .get(
      '/:subjectIdOrKey',
      async ({ request, params }) =>
        Response.json(
          await getSubject(sql, namespaceOf(request, 'read', 'admin'), pathText(params.subjectIdOrKey)),
        ),
      { detail: getDetail },
    )
    .delete(
      '/:subjectIdOrKey',
      async ({ request, params }) => {
        await deleteSubject(sql, namespaceOf(request, 'admin'), pathText(params.subjectIdOrKey));
        return new Response(null, { status: 204 });
      },
      { parse: 'none', detail: deleteDetail },
    );
}

const tags = ['Subjects'];
const idOrKey = parameter('path', 'subjectIdOrKey', Type.String(), 'Its id or key.', 'customer-id');

const upsertDetail = {
  tags,
  operationId: 'upsertSubject',
  summary: 'Create or change subjects',
  description: 'All of them or none. Subjects need not be created: events may name any.',
  requestBody: jsonRequest(SubjectUpserts, upsertExample),
  responses: {
    200: jsonResponse('The subjects, in the order of the request.', Type.Array(Subject), [subjectExample]),
    ...problemResponses(400, 413, 415),
  },
};

const listDetail = {
  tags,
  operationId: 'listSubjects',
  summary: 'List subjects by key',
  description: 'The header Link (RFC 8288) leads to the next page where there is one.',
  parameters: describedParameters(SubjectListQuery),
  responses: {
    200: jsonResponse('The subjects.', Type.Array(Subject), [subjectExample]),
    ...problemResponses(400),
  },
};

const getDetail = {
  tags,
  operationId: 'getSubject',
  summary: 'Get a subject',
  parameters: [idOrKey],
  responses: { 200: jsonResponse('The subject.', Subject, subjectExample), ...problemResponses(404) },
};

const deleteDetail = {
  tags,
  operationId: 'deleteSubject',
  summary: 'Delete a subject',
  description: 'Its events and usage stay.',
  parameters: [idOrKey],
  responses: { 204: { description: 'It is deleted.' }, ...problemResponses(404) },
};
