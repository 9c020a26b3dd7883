-- Up Migration

-- Names what the customer's entitlements are: another one with every change of the customer, its subjects, entitlements, grants
-- and resets. Whoever keeps them in memory compares it, in the snapshot of its answer. Not a number: those of a standby that was
-- behind and took over would come again, for something else.
ALTER TABLE customers ADD COLUMN state_token uuid NOT NULL DEFAULT gen_random_uuid();

CREATE FUNCTION renew_own_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.state_token := gen_random_uuid();
  RETURN NEW;
END $$;
CREATE TRIGGER customers_token BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION renew_own_token();

-- The customer's row stays locked until the transaction ends: of two changes at once, the second one's token names both.
CREATE FUNCTION renew_customer_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customers SET state_token = DEFAULT WHERE id = coalesce(NEW.customer_id, OLD.customer_id);
  RETURN NULL;
END $$;
CREATE TRIGGER customer_subjects_token AFTER INSERT OR UPDATE OR DELETE ON customer_subjects
  FOR EACH ROW EXECUTE FUNCTION renew_customer_token();
-- Not when a reservation, or the watch over thresholds, notes something in it.
CREATE TRIGGER entitlements_token AFTER INSERT OR DELETE OR UPDATE OF active_to, deleted_at, metadata, updated_at ON entitlements
  FOR EACH ROW EXECUTE FUNCTION renew_customer_token();

CREATE FUNCTION renew_token_of_entitlement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE customers c SET state_token = DEFAULT FROM entitlements e
  WHERE e.id = coalesce(NEW.entitlement_id, OLD.entitlement_id) AND c.id = e.customer_id;
  RETURN NULL;
END $$;
CREATE TRIGGER grants_token AFTER INSERT OR UPDATE OR DELETE ON grants
  FOR EACH ROW EXECUTE FUNCTION renew_token_of_entitlement();
CREATE TRIGGER entitlement_resets_token AFTER INSERT OR UPDATE OR DELETE ON entitlement_resets
  FOR EACH ROW EXECUTE FUNCTION renew_token_of_entitlement();

-- The key of the event that reports the usage, as the identity tables have it: made once, and not with every check.
ALTER TABLE reservations ADD COLUMN event_key uuid
  GENERATED ALWAYS AS (CASE WHEN event_id IS NOT NULL THEN identity_key(namespace, event_source, event_id) END) STORED;
-- Those whose event may come: looked through piece by piece.
CREATE INDEX reservations_open_events ON reservations (id)
  WHERE state IN ('held', 'committed') AND event_id IS NOT NULL;

-- Which of these keys are those of stored events: one look-up an identity table for all of them.
CREATE FUNCTION stored_keys(keys uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql STABLE ROWS 10 AS $$
DECLARE
  n integer;
BEGIN
  IF cardinality(keys) = 0 THEN RETURN; END IF;
  FOR n IN SELECT number FROM identity_tables ORDER BY number DESC LOOP
    BEGIN
      RETURN QUERY EXECUTE format('SELECT key FROM %I WHERE key = ANY($1)', 'identities_' || n) USING keys;
    EXCEPTION WHEN undefined_table THEN -- dropped meanwhile: too old
    END;
  END LOOP;
END $$;

-- Down Migration

DROP FUNCTION stored_keys(uuid[]);
DROP INDEX reservations_open_events;
ALTER TABLE reservations DROP COLUMN event_key;
DROP TRIGGER entitlement_resets_token ON entitlement_resets;
DROP TRIGGER grants_token ON grants;
DROP FUNCTION renew_token_of_entitlement();
DROP TRIGGER entitlements_token ON entitlements;
DROP TRIGGER customer_subjects_token ON customer_subjects;
DROP FUNCTION renew_customer_token();
DROP TRIGGER customers_token ON customers;
DROP FUNCTION renew_own_token();
ALTER TABLE customers DROP COLUMN state_token;
