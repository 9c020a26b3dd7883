-- Up Migration

-- A version alone doesn't name a state: after a fail-over that lost a change, or a restore, the next change gets the lost
-- one's number. Every change draws a token beside it, so that no two states are taken for one another.
ALTER TABLE meter_registry ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE api_key_registry ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();

-- Down Migration

ALTER TABLE api_key_registry DROP COLUMN token;
ALTER TABLE meter_registry DROP COLUMN token;
