-- Up Migration

-- Counts changes of the keys: the apps look at this one row once a second and load the keys again when it has moved.
CREATE TABLE api_key_registry (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL
);
INSERT INTO api_key_registry (version) VALUES (1);

CREATE TABLE api_keys (
  id                  text PRIMARY KEY, -- ULID
  namespace           text        NOT NULL,
  name                text        NOT NULL,
  prefix              text        NOT NULL UNIQUE, -- shown to people; finds the row
  secret_hash         bytea       NOT NULL CHECK (octet_length(secret_hash) = 32), -- SHA-256 of the whole key
  scopes              text[]      NOT NULL CHECK (scopes <@ ARRAY['ingest', 'read', 'admin'] AND scopes <> '{}'),
  events_per_second   integer CHECK (events_per_second > 0), -- NULL = no limit
  events_burst        integer CHECK (events_burst > 0),
  requests_per_second integer CHECK (requests_per_second > 0),
  requests_burst      integer CHECK (requests_burst > 0),
  created_at          timestamptz NOT NULL DEFAULT now(),
  revoked_at          timestamptz
);
CREATE INDEX api_keys_of_namespace ON api_keys (namespace, id);

-- What a page that shows one subject its usage presents. Looked up at every query, so that it ends at once.
CREATE TABLE portal_tokens (
  id                  text PRIMARY KEY, -- ULID
  namespace           text        NOT NULL,
  subject             text        NOT NULL,
  allowed_meter_slugs text[],           -- NULL = every meter
  secret_hash         bytea       NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
  api_key_id          text REFERENCES api_keys (id), -- it ends with the key that made it; NULL = the operator's key
  created_at          timestamptz NOT NULL DEFAULT now(),
  expires_at          timestamptz NOT NULL
);
CREATE INDEX portal_tokens_of_namespace ON portal_tokens (namespace, id);
CREATE INDEX portal_tokens_expiry ON portal_tokens (expires_at);

-- Down Migration

DROP TABLE portal_tokens;
DROP TABLE api_keys;
DROP TABLE api_key_registry;
