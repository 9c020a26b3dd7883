import { type Static, Type } from '@sinclair/typebox';
import { meterFields } from '@usage/lib/meter/fields.ts';
import { choice, closedObject, flag, time, wholeNumber } from '@usage/lib/validation/schema.ts';

/** OpenMeter's wire format of meters (its api/openapi.yaml). What can be set is lib/meter/definition.ts. */

const meterPageSizeMax = 1_000;
const pageMax = 1_000_000;

export const MeterListQuery = closedObject({
  page: Type.Optional(
    wholeNumber({ minimum: 1, maximum: pageMax }, { default: 1, description: 'Number of the page.' }),
  ),
  pageSize: Type.Optional(
    wholeNumber(
      { minimum: 1, maximum: meterPageSizeMax },
      {
        default: meterPageSizeMax,
        description: 'Meters on a page. By default all that a namespace can have.',
      },
    ),
  ),
  orderBy: Type.Optional(
    choice(['key', 'name', 'aggregation', 'createdAt', 'updatedAt'], {
      default: 'key',
      description: 'Field to sort by.',
    }),
  ),
  order: Type.Optional(choice(['ASC', 'DESC'], { default: 'ASC', description: 'Direction.' })),
  includeDeleted: Type.Optional(flag({ default: false, description: 'Whether deleted ones are listed.' })),
});

export const Meter = Type.Object({
  id: Type.String({ description: 'ULID', examples: ['01G65Z755AFWAKHE12NY0CQ9FH'] }),
  ...meterFields,
  createdAt: time('When it was created.'),
  updatedAt: time('When it was last changed.'),
  deletedAt: Type.Optional(time('When it was deleted.')),
});
export type Meter = Static<typeof Meter>;

const described = {
  slug: 'tokens_total',
  name: 'Tokens',
  description: 'AI tokens by model',
  eventType: 'prompt',
  aggregation: 'SUM' as const,
  valueProperty: '$.tokens',
  groupBy: { model: '$.model' },
};

export const createExample = described;
export const updateExample = { name: 'Tokens', groupBy: { model: '$.model', type: '$.type' } };
export const meterExample: Meter = {
  id: '01G65Z755AFWAKHE12NY0CQ9FH',
  ...described,
  createdAt: '2026-11-22T10:00:00.123Z',
  updatedAt: '2026-11-22T10:00:00.123Z',
};
