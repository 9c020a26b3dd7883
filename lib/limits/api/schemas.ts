import { type TObject, type TProperties, type TSchema, Type } from '@sinclair/typebox';

/** Parts that the schemas of this API share: they say what is valid, and what Swagger shows. */

export const keyLengthMax = 64;
export const nameLengthMax = 256;
export const descriptionLengthMax = 1_024;
export const pageSizeMax = 1_000;
export const pageMax = 1_000_000;

export const exampleTime = '2026-11-22T10:00:00.123Z';
export const exampleId = '01G65Z755AFWAKHE12NY0CQ9FH';

export const Time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: [exampleTime] });
export const Id = Type.String({ description: 'ULID', examples: [exampleId] });
export const Name = Type.String({ minLength: 1, maxLength: nameLengthMax });
export const Description = Type.String({ maxLength: descriptionLengthMax });

export const Metadata = Type.Record(
  Type.String({ minLength: 1, maxLength: 256 }),
  Type.String({ maxLength: 4_096 }),
  { maxProperties: 64, description: 'Texts by name.' },
);
export const Annotations = Type.Record(Type.String({ minLength: 1, maxLength: 256 }), Type.Unknown(), {
  maxProperties: 64,
});

/** An amount: a number, or a text where a double can't hold it. */
export const Amount = (description: string) =>
  Type.Union([Type.Number(), Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', maxLength: 400 })], {
    description: `${description} A number, or a text such as "0.1" where it has more digits than a double.`,
    examples: [1000],
  });

/** null is taken for a field that is left out. */
export const Nullable = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));

export const managed = {
  createdAt: Time('When it was created.'),
  updatedAt: Time('When it was last changed.'),
  deletedAt: Type.Optional(Time('When it was deleted.')),
};

export function closed<T extends TProperties>(properties: T, description?: string): TObject<T> {
  return Type.Object(properties, { additionalProperties: false, ...(description && { description }) });
}

export function pageOf<T extends TSchema>(item: T) {
  return Type.Object({
    totalCount: Type.Integer(),
    page: Type.Integer(),
    pageSize: Type.Integer(),
    items: Type.Array(item),
  });
}

export const examplePage = (item: object) => ({ totalCount: 1, page: 1, pageSize: 100, items: [item] });
