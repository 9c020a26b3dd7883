-- Runs once, when the volume is empty. What is in here no migration owns: the extension, and a reader for Grafana.

-- A plain PostgreSQL image does as well: the schema runs on native partitions then.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') THEN
    CREATE EXTENSION IF NOT EXISTS timescaledb;
  END IF;
END $$;

-- Grafana lets every viewer send SQL of his own: it reads, and can do nothing else.
\set reader_password `echo "${GRAFANA_DB_PASSWORD:-usage_reader}"`
CREATE ROLE usage_reader LOGIN PASSWORD :'reader_password' CONNECTION LIMIT 10;
GRANT pg_read_all_data TO usage_reader;
ALTER ROLE usage_reader SET default_transaction_read_only = on;
ALTER ROLE usage_reader SET statement_timeout = '15s';
