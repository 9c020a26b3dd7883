import { problemResponses } from '../http/documentation.ts';

/** OpenMeter's GET /api/v1/debug/metrics. */
export const debugMetricsDetail = {
  tags: ['Events'],
  operationId: 'getDebugMetrics',
  summary: 'Count the events since midnight UTC, by subject',
  description: 'In the text format of OpenMetrics. By the time of the events; stored ones alone.',
  responses: {
    200: {
      description: 'The counters. They begin anew every day at midnight UTC.',
      content: {
        'text/plain': {
          schema: { type: 'string' as const },
          example: 'openmeter_events_total{subject="customer-1"} 12.0\n# EOF\n',
        },
      },
    },
    ...problemResponses(400),
  },
};
