-- Up Migration

-- Which identity table the keys of a batch's events are in. A processor of an older build doesn't write keys: from here on
-- its batches are refused, with an error after which it tries again, until it is replaced. Nothing is lost meanwhile: what
-- it has read stays in the stream, and its successor takes it over.
ALTER TABLE batches ADD COLUMN identity_table integer;
CREATE FUNCTION refuse_batch_without_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the database expects keys of identities beside each batch: update this processor' USING ERRCODE = '55000';
END $$;
CREATE TRIGGER batches_fence BEFORE INSERT ON batches FOR EACH ROW WHEN (NEW.identity_table IS NULL)
EXECUTE FUNCTION refuse_batch_without_keys();

-- No batch can be committed beside this transaction now: what 011 has not seen is all there.
INSERT INTO identities_1
SELECT identity_key(e.namespace, e.source, e.id)
FROM events e JOIN batches b ON b.id = e.batch_id
WHERE NOT EXISTS (SELECT FROM identities_filled f WHERE f.id = b.id)
ON CONFLICT DO NOTHING;
DROP TABLE identities_filled;

-- Down Migration

CREATE TABLE identities_filled AS SELECT id, now() AS since FROM batches;
DROP TRIGGER batches_fence ON batches;
DROP FUNCTION refuse_batch_without_keys();
ALTER TABLE batches DROP COLUMN identity_table;
