-- Up Migration

-- Who is limited, warned and shown usage by name: one customer is many subjects.
CREATE TABLE customers (
  id              text PRIMARY KEY, -- ULID
  namespace       text NOT NULL,
  key             text,             -- the customer's id in the system of who runs this; events may name it as their subject
  name            text NOT NULL,
  description     text,
  metadata        jsonb,
  annotations     jsonb,
  subject_keys    text[] NOT NULL DEFAULT '{}', -- in the order given; kept after the customer is deleted
  primary_email   text,
  currency        text,
  billing_address jsonb,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  deleted_at      timestamptz
);
CREATE UNIQUE INDEX customers_key ON customers (namespace, key) WHERE deleted_at IS NULL;
CREATE INDEX customers_created ON customers (namespace, created_at, id);

-- Whose usage counts for which customer: the subject keys and the key of every customer that is not deleted. The primary key
-- is what keeps a subject from belonging to two.
CREATE TABLE customer_subjects (
  namespace   text NOT NULL,
  subject     text NOT NULL,
  customer_id text NOT NULL REFERENCES customers (id),
  PRIMARY KEY (namespace, subject)
);
CREATE INDEX customer_subjects_of_customer ON customer_subjects (customer_id);

-- Who changed what. Rows are added in the transaction of the change, and never changed or deleted.
CREATE TABLE audit_log (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace   text        NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  actor       text        NOT NULL, -- 'key:<id>' or 'operator'
  request_id  text        NOT NULL,
  action      text        NOT NULL, -- create, update, delete, …
  resource    text        NOT NULL, -- customer, feature, entitlement, …
  resource_id text        NOT NULL,
  before      jsonb,
  after       jsonb
);
CREATE INDEX audit_log_of_namespace ON audit_log (namespace, id);
CREATE INDEX audit_log_of_resource ON audit_log (namespace, resource_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log takes new rows only';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Down Migration

DROP TABLE audit_log;
DROP FUNCTION refuse_change();
DROP TABLE customer_subjects;
DROP TABLE customers;
