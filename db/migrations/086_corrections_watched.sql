-- Up Migration

-- Of the event as it came; NULL of corrections that are older than this column.
ALTER TABLE corrections ADD COLUMN old_subject text COLLATE "C";

-- Whose usage a correction may have raised: the watch over thresholds looks at them. Written in the correction's transaction,
-- where the namespace has rules. subject NULL: anybody's.
CREATE TABLE corrected_subjects (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  subject   text COLLATE "C"
);

CREATE FUNCTION note_corrected_subjects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO corrected_subjects (namespace, type, subject)
  SELECT DISTINCT c.namespace, c.type, s.subject
  FROM corrected c CROSS JOIN LATERAL (VALUES (c.old_subject), (coalesce(c.subject, c.old_subject))) AS s (subject)
  WHERE EXISTS (SELECT FROM notification_rules r WHERE r.namespace = c.namespace AND r.deleted_at IS NULL AND NOT r.disabled);
  RETURN NULL;
END $$;
CREATE TRIGGER corrections_noted AFTER INSERT ON corrections REFERENCING NEW TABLE AS corrected
  FOR EACH STATEMENT EXECUTE FUNCTION note_corrected_subjects();
CREATE TRIGGER undone_corrections_noted AFTER UPDATE ON corrections REFERENCING NEW TABLE AS corrected
  FOR EACH STATEMENT EXECUTE FUNCTION note_corrected_subjects();

-- A subject that a customer gets brings its usage: the customer's thresholds are looked at again.
CREATE FUNCTION note_new_subject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO entitlement_changes (entitlement_id)
  SELECT id FROM entitlements WHERE customer_id = NEW.customer_id AND type = 'metered' AND deleted_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER customer_subjects_noted AFTER INSERT ON customer_subjects
  FOR EACH ROW EXECUTE FUNCTION note_new_subject();

-- Down Migration

DROP TRIGGER customer_subjects_noted ON customer_subjects;
DROP FUNCTION note_new_subject();
DROP TRIGGER undone_corrections_noted ON corrections;
DROP TRIGGER corrections_noted ON corrections;
DROP FUNCTION note_corrected_subjects();
DROP TABLE corrected_subjects;
ALTER TABLE corrections DROP COLUMN old_subject;
