import { type Static, Type } from '@sinclair/typebox';
import { CustomerListQuery, CustomerQuery } from './queries.ts';
import { readers, route, writers } from './route.ts';
import {
  Annotations,
  closed,
  Description,
  exampleId,
  examplePage,
  exampleTime,
  Id,
  Metadata,
  managed,
  Name,
  Nullable,
  pageOf,
} from './schemas.ts';

export const subjectKeysMax = 100;
const Country = Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2', examples: ['US'] });
const Line = Type.String({ maxLength: 256 });

const fields = {
  name: Name,
  description: Nullable(Description),
  metadata: Nullable(Metadata),
  key: Nullable(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'Your own id of the customer. Events may name it as their subject.',
      examples: ['acme'],
    }),
  ),
  usageAttribution: Nullable(
    closed(
      {
        subjectKeys: Type.Array(Type.String({ minLength: 1, maxLength: 1_024 }), {
          maxItems: subjectKeysMax,
          uniqueItems: true,
        }),
      },
      'The subjects whose usage is the customer’s. A subject belongs to one customer at most.',
    ),
  ),
  primaryEmail: Nullable(Type.String({ maxLength: 320, examples: ['billing@acme.example'] })),
  currency: Nullable(Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217', examples: ['USD'] })),
  billingAddress: Nullable(
    closed({
      country: Nullable(Country),
      postalCode: Nullable(Line),
      state: Nullable(Line),
      city: Nullable(Line),
      line1: Nullable(Line),
      line2: Nullable(Line),
      phoneNumber: Nullable(Line),
    }),
  ),
  annotations: Nullable(Annotations),
};

export const CustomerInput = closed(fields, 'A key or at least one subject key is needed.');
export type CustomerInput = Static<typeof CustomerInput>;

export const CustomerWire = Type.Object({ id: Id, ...fields, ...managed });

const given = {
  name: 'ACME Inc.',
  key: 'acme',
  usageAttribution: { subjectKeys: ['acme-api', 'acme-batch'] },
  currency: 'USD',
};
export const customerExample = { id: exampleId, ...given, createdAt: exampleTime, updatedAt: exampleTime };

const tag = 'Customers';
const one = { description: 'The customer.', schema: CustomerWire, example: customerExample };

export const customerRoutes = {
  createCustomer: route('POST /api/v1/customers', writers, {
    tag,
    summary: 'Create a customer',
    body: { schema: CustomerInput, example: given },
    answer: { ...one, status: 201 },
    problems: [409],
  }),
  listCustomers: route('GET /api/v1/customers', readers, {
    tag,
    summary: 'List customers',
    query: CustomerListQuery,
    answer: {
      description: 'A page of customers.',
      schema: pageOf(CustomerWire),
      example: examplePage(customerExample),
    },
    problems: [400],
  }),
  getCustomer: route('GET /api/v1/customers/:customerIdOrKey', readers, {
    tag,
    summary: 'Get a customer',
    query: CustomerQuery,
    answer: one,
    problems: [400, 404],
  }),
  updateCustomer: route('PUT /api/v1/customers/:customerIdOrKey', writers, {
    tag,
    summary: 'Replace a customer',
    description: 'Fields that are left out are cleared.',
    body: { schema: CustomerInput, example: given },
    answer: one,
    problems: [404, 409],
  }),
  deleteCustomer: route('DELETE /api/v1/customers/:customerIdOrKey', writers, {
    tag,
    summary: 'Delete a customer',
    description: 'Refused while it has entitlements. Its subjects’ events and usage stay.',
    problems: [400, 404],
  }),
};
