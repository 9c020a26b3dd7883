-- Up Migration

-- Text that decides identity and order is compared by its bytes. The default collation's order may change under a database
-- that is there, with an update of the operating system; an index then no longer finds what it holds, and lets it in twice.
-- Indexes of columns that change are made anew here. Tables of later migrations say COLLATE "C" themselves
-- (db/schema/collation.test.ts).
DO $$
DECLARE
  changed record;
  views text[] := ARRAY(SELECT c.relname FROM pg_class c WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace
                        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid);
  definitions text[] := ARRAY(SELECT pg_get_viewdef(quote_ident(name)::regclass) FROM unnest(views) WITH ORDINALITY v (name, n) ORDER BY n);
BEGIN
  -- A column that a view shows can't be changed.
  FOR n IN REVERSE coalesce(array_length(views, 1), 0)..1 LOOP
    EXECUTE format('DROP VIEW %I', views[n]);
  END LOOP;
  FOR changed IN
    SELECT DISTINCT a.attrelid::regclass AS relation, quote_ident(a.attname) AS name, format_type(a.atttypid, NULL) AS type
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE a.attcollation = 'pg_catalog.default'::regcollation AND c.oid <> 'events'::regclass
    ORDER BY 1, 2
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %s TYPE %s COLLATE "C"', changed.relation, changed.name, changed.type);
  END LOOP;
  FOR n IN 1..coalesce(array_length(views, 1), 0) LOOP
    EXECUTE format('CREATE VIEW %I AS %s', views[n], definitions[n]);
  END LOOP;
END $$;

-- The columnstore keeps an index by namespace. Columns of a hypertable can be changed as long as nothing is in it.
DO $$
DECLARE
  name text;
BEGIN
  IF NOT EXISTS (SELECT FROM events)
     AND EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
     AND EXISTS (SELECT FROM pg_class WHERE oid = 'events'::regclass AND relkind = 'r')
     AND coalesce(current_setting('timescaledb.license', true), 'timescale') = 'timescale' THEN
    IF EXISTS (SELECT FROM show_chunks('events')) THEN
      RETURN;
    END IF;
    ALTER TABLE events SET (timescaledb.compress = false);
    FOREACH name IN ARRAY ARRAY['namespace', 'source', 'id', 'type', 'subject'] LOOP
      EXECUTE format('ALTER TABLE events ALTER COLUMN %I TYPE text COLLATE "C"', name);
    END LOOP;
    ALTER TABLE events SET (timescaledb.compress, timescaledb.compress_segmentby = 'namespace',
                            timescaledb.compress_orderby = 'batch_id, time');
  END IF;
END $$;

-- Down Migration

-- Nothing to take back: an older build works with either.
SELECT;
