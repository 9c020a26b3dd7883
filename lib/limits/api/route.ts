import { type TObject, type TSchema, Type } from '@sinclair/typebox';
import type { Scope } from '../../auth/key.ts';
import { jsonRequest, jsonResponse, parameter, problemResponses } from '../../http/documentation.ts';
import { describedParameters } from '../../http/parameters.ts';

/**
 * The API of customers, features, entitlements, reservations and notifications, described once: the gateway passes these
 * routes on to the limits service, which answers them, and both show them in Swagger.
 */
export interface ApiRoute {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  /** One of them is enough. */
  scopes: readonly [Scope, ...Scope[]];
  /** Of an answer with a body. */
  status: 200 | 201 | 202;
  detail: object;
}

interface Description {
  tag: string;
  summary: string;
  description?: string;
  query?: TObject;
  body?: { schema: TSchema; example: unknown };
  /** undefined = 204. */
  answer?: { status?: 200 | 201 | 202; description: string; schema: TSchema; example: unknown } | undefined;
  problems?: (400 | 404 | 409 | 413 | 415)[];
}

export const readers = ['read', 'admin'] as const satisfies ApiRoute['scopes'];
export const writers = ['admin'] as const satisfies ApiRoute['scopes'];

/** `method path`, with path parameters as `:name`. */
export function route(
  line: `${ApiRoute['method']} /${string}`,
  scopes: ApiRoute['scopes'],
  description: Description,
): ApiRoute {
  const [method, path] = line.split(' ') as [ApiRoute['method'], string];
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) =>
    parameter('path', name!, Type.String(), pathDescriptions[name!] ?? 'Its id.'),
  );
  const { tag, summary, body, answer, problems = [] } = description;
  const status = answer?.status ?? 200;
  const issues = new Set([...problems, ...(body ? ([400, 413, 415] as const) : [])]);
  return {
    method,
    path,
    scopes,
    status,
    detail: {
      tags: [tag],
      summary,
      ...(description.description && { description: description.description }),
      parameters: [...inPath, ...(description.query ? describedParameters(description.query) : [])],
      ...(body && { requestBody: jsonRequest(body.schema, body.example) }),
      responses: {
        ...(answer
          ? { [status]: jsonResponse(answer.description, answer.schema, answer.example) }
          : { 204: { description: 'Done.' } }),
        ...problemResponses(...issues),
      },
    },
  };
}

const pathDescriptions: Record<string, string> = {
  customerIdOrKey: 'Its id or key.',
  subjectIdOrKey: 'Id or key of the subject, as events name it.',
  featureKey: 'Key of the feature.',
  featureId: 'Id of the feature, or its key.',
  entitlementIdOrFeatureKey: 'Id of the entitlement, or key of its feature.',
};
