-- Up Migration

-- Which events of its type a meter takes (lib/meter/eventFilters.ts), and arithmetic in the place of value_property
-- (lib/meter/expression.ts). Processors from before this migration know neither: gateways, which make such meters, are updated last.
ALTER TABLE meters ADD COLUMN filters jsonb, ADD COLUMN value_expression text;

-- Down Migration

ALTER TABLE meters DROP COLUMN filters, DROP COLUMN value_expression;
