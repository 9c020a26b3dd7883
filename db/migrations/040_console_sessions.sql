-- Up Migration

-- One row: what seals the cookies of the console's sessions (lib/auth/sessions.ts), the same for all gateways and query
-- services. Two random UUIDs hold 244 random bits. A new value ends all sessions.
CREATE TABLE session_secret (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  secret   text NOT NULL
);
INSERT INTO session_secret (secret) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);

-- When a key was last used, to the minute: apps write it down once a minute.
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;

-- Down Migration

ALTER TABLE api_keys DROP COLUMN last_used_at;
DROP TABLE session_secret;
