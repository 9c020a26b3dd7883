import { problemResponses, problemSchema } from '@usage/lib/http/documentation.ts';

/** The OpenAPI side of ingest. Validation is lib/event's: a schema compiled for it would parse the body once more. */

const eventSchema = {
  type: 'object',
  required: ['id', 'source', 'specversion', 'type', 'subject'],
  properties: {
    id: {
      type: 'string',
      minLength: 1,
      maxLength: 1024,
      description: 'Identifies the event within its source.',
    },
    source: { type: 'string', minLength: 1, maxLength: 1024, description: 'Where the event happened.' },
    specversion: { type: 'string', enum: ['1.0'] },
    type: {
      type: 'string',
      minLength: 1,
      maxLength: 1024,
      description: 'What happened; meters choose events by it.',
    },
    subject: { type: 'string', minLength: 1, maxLength: 1024, description: 'Whose usage it is.' },
    time: {
      type: 'string',
      format: 'date-time',
      nullable: true,
      description:
        'RFC 3339, any offset and precision, 1970 to 2199. The time of arrival where it is missing.',
    },
    data: { type: 'object', nullable: true, additionalProperties: true, description: 'What meters measure.' },
    datacontenttype: { type: 'string', nullable: true, description: 'JSON only.' },
    dataschema: { type: 'string', nullable: true },
  },
  additionalProperties: { description: 'Extension attributes: a string, a number or a boolean.' },
  example: {
    specversion: '1.0',
    id: '019ab1c2-7d3e-7f00-8a4b-2f7f0e6f1a11',
    source: 'chat-service',
    type: 'prompt',
    subject: 'customer-1',
    time: '2026-11-22T10:00:00.123Z',
    data: { model: 'gpt-5', tokens: 1432 },
  },
};

const problem = (description: string, example: object) => ({
  description,
  content: {
    'application/problem+json': {
      schema: problemSchema,
      example: { type: 'about:blank', ...example, instance: 'urn:request:5c10fade-1c9e-1' },
    },
  },
});

const outcomeSchema = {
  type: 'object',
  required: ['received', 'rejected', 'events'],
  properties: {
    received: { type: 'integer' },
    accepted: { type: 'integer', description: 'Of lines.' },
    rejected: { type: 'integer' },
    committed: { type: 'boolean' },
    stored: { type: 'integer' },
    duplicates: { type: 'integer' },
    deadLetters: { type: 'integer' },
    events: {
      type: 'array',
      description: 'Those whose outcome is not the usual one, or all of them.',
      items: {
        type: 'object',
        required: ['outcome'],
        properties: {
          index: { type: 'integer' },
          line: { type: 'integer' },
          id: { type: 'string' },
          source: { type: 'string' },
          outcome: { type: 'string', enum: ['accepted', 'stored', 'duplicate', 'dead_letter', 'rejected'] },
          reason: { type: 'string' },
          validationErrors: {
            type: 'array',
            items: {
              type: 'object',
              properties: { field: { type: 'string' }, reason: { type: 'string' } },
            },
          },
        },
      },
    },
  },
};

const outcomes = (description: string) => ({
  description,
  headers: { 'Preference-Applied': { description: 'What of Prefer was done.', schema: { type: 'string' } } },
  content: { 'application/json': { schema: outcomeSchema } },
});

const retryHeader = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' } } };

// biome-ignore lint/suspicious/noExplicitAny: plain OpenAPI; Elysia's type of it wants TypeBox schemas
export const ingestDetail: any = {
  operationId: 'ingestEvents',
  tags: ['Events'],
  summary: 'Ingest events',
  description:
    'One event or a batch in CloudEvents JSON; all of a request or nothing. 204 means that the events are kept: each ' +
    'is counted exactly once, however often the same source and id are sent. CloudEvents binary mode (`ce-*` headers, ' +
    'the body is the data) is taken as well.',
  requestBody: {
    required: true,
    content: {
      'application/cloudevents+json': { schema: eventSchema },
      'application/cloudevents-batch+json': { schema: { type: 'array', items: eventSchema } },
      'application/json': { schema: { oneOf: [eventSchema, { type: 'array', items: eventSchema }] } },
      'application/x-ndjson': {
        // OpenAPI 3.2's word for what each line is.
        itemSchema: eventSchema,
        schema: {
          type: 'string',
          description:
            'An event a line, however many. Kept part by part: an error says up to which line, go on after it.',
        },
      },
    },
  },
  parameters: [
    {
      in: 'header',
      name: 'Prefer',
      schema: { type: 'string' },
      description:
        'RFC 7240: `handling=lenient` keeps the good events of a batch, `return=representation` answers with an outcome ' +
        'for each event, `wait=N` once they are committed (N seconds at most, 30 at the longest).',
      example: 'handling=lenient, wait=5',
    },
    {
      in: 'header',
      name: 'Usage-Backfill',
      schema: { type: 'string' },
      description: 'Id of an open backfill (POST /api/v1/backfills): the events count when it is closed.',
      example: 'november-again',
    },
    {
      in: 'header',
      name: 'Content-Encoding',
      schema: { type: 'string', enum: ['gzip', 'deflate', 'br', 'zstd'] },
      description: 'How the body is packed.',
    },
  ],
  responses: {
    ...problemResponses(413),
    200: outcomes(
      'What became of the events, where Prefer asked for it, a bad one was left out, or they came as lines.',
    ),
    202: outcomes(
      'The events are kept; their commit did not come within the time that Prefer asked to wait.',
    ),
    204: { description: 'Every event is kept.' },
    400: problem('An event is not valid, or the body is not JSON; nothing was kept.', {
      title: 'Bad Request',
      status: 400,
      code: 'invalid_events',
      detail: '1 of 2 events are not valid, nothing was kept: event 1: subject is required.',
      extensions: {
        validationErrors: [{ index: 1, field: 'subject', reason: 'is required' }],
        validationErrorsLeftOut: 0,
      },
    }),
    413: problem('The body is too long or holds too many events.', {
      title: 'Content Too Large',
      status: 413,
      code: 'too_large',
      detail: 'The body is longer than 8388608 bytes; send it in smaller parts.',
    }),
    415: problem('No JSON in UTF-8.', {
      title: 'Unsupported Media Type',
      status: 415,
      code: 'unsupported_media_type',
      detail: 'text/plain is not taken; send application/cloudevents+json.',
    }),
    503: {
      ...problem('Nothing can be kept now; send the same events again.', {
        title: 'Service Unavailable',
        status: 503,
        code: 'unavailable',
        detail: 'No events are taken now: the event stream is full until the processors have caught up.',
      }),
      headers: retryHeader,
    },
  },
};
