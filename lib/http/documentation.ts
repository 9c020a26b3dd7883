import { type TSchema, Type } from '@sinclair/typebox';

/** Parts of OpenAPI operations that many routes share; for routes whose bodies are read and checked by hand. */

export const problemSchema = Type.Object(
  {
    type: Type.String({ default: 'about:blank', description: 'A URI that identifies the kind of problem.' }),
    title: Type.String({ description: 'The HTTP status in words.', examples: ['Bad Request'] }),
    status: Type.Integer({ minimum: 400, maximum: 599, examples: [400] }),
    detail: Type.String({ description: 'What happened, why, and what to do.' }),
    instance: Type.String({ description: 'Names this occurrence: the log has it under this request id.' }),
    code: Type.String({ description: 'Stays the same when the words change.', examples: ['bad_request'] }),
    extensions: Type.Optional(
      Type.Object({
        validationErrors: Type.Optional(
          Type.Array(Type.Object({ field: Type.String(), reason: Type.String() }), {
            description: 'Every issue with its place.',
          }),
        ),
      }),
    ),
  },
  { description: 'A problem (RFC 9457).' },
);

const problems = {
  400: ['What is wrong with the request, every issue named.', 'bad_request', 'Bad Request'],
  401: ['No API key, or one that is not known: send Authorization: Bearer.', 'unauthorized', 'Unauthorized'],
  403: ['The API key lacks the scope.', 'forbidden', 'Forbidden'],
  408: ['The body did not come in time; the connection is closed.', 'too_slow', 'Request Timeout'],
  404: ['There is no such resource in this namespace.', 'not_found', 'Not Found'],
  409: ['It contradicts what is stored.', 'conflict', 'Conflict'],
  413: ['The body is too large.', 'too_large', 'Content Too Large'],
  415: ['The body is not JSON.', 'unsupported_media_type', 'Unsupported Media Type'],
  429: [
    'Over the key’s rate limit; Retry-After says when to try again.',
    'too_many_requests',
    'Too Many Requests',
  ],
  503: ['Not possible now; Retry-After says when to try again.', 'unavailable', 'Service Unavailable'],
} as const;

type ProblemStatus = keyof typeof problems;

/** What every operation that needs a key may answer. */
const keyStatuses: ProblemStatus[] = [401, 403, 429];

/** The `responses` of an operation that needs a key, for these statuses, those of keys and 503; each with an example. */
export function problemResponses(...statuses: ProblemStatus[]) {
  const slow: ProblemStatus[] = statuses.includes(413) ? [408] : [];
  const all = new Set([...statuses, ...slow, ...keyStatuses, 503 as const]);
  return Object.fromEntries(
    [...all].sort().map((status) => {
      const [description, code, title] = problems[status];
      const example = {
        type: 'about:blank',
        title,
        status,
        detail: description,
        instance: 'urn:request:6f9619ff-8b86-d',
        code,
      };
      return [
        status,
        { description, content: { 'application/problem+json': { schema: openApi(problemSchema), example } } },
      ];
    }),
  );
}

export function jsonResponse(description: string, schema: TSchema, example: unknown) {
  return { description, content: { 'application/json': { schema: openApi(schema), example } } };
}

export function jsonRequest(schema: TSchema, example: unknown) {
  return { required: true, content: { 'application/json': { schema: openApi(schema), example } } };
}

/** A parameter of a path or query. */
export function parameter(
  place: 'path' | 'query',
  name: string,
  schema: TSchema,
  description: string,
  example?: unknown,
) {
  return {
    in: place,
    name,
    required: place === 'path',
    schema: openApi(schema),
    description,
    ...(example === undefined ? {} : { example }),
  };
}

/** TypeBox makes JSON Schema; OpenAPI's types are narrower than what both sides mean. */
function openApi(schema: TSchema): Record<string, unknown> {
  return schema as unknown as Record<string, unknown>;
}
