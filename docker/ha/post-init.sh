#!/bin/sh
# Run once by Patroni on the first primary, with a connection string of its superuser: the role and database of the apps, the
# extension, and Grafana's reader.
set -eu
# No standby is there yet that a commit could wait for.
export PGOPTIONS="-c synchronous_commit=local"
psql -X -v ON_ERROR_STOP=1 -d "$1" <<'SQL'
\set password `echo "$POSTGRES_PASSWORD"`
CREATE ROLE usage_user LOGIN SUPERUSER PASSWORD :'password';
CREATE DATABASE usage_tracking OWNER usage_user;
SQL
export PGOPTIONS="$PGOPTIONS -c role=usage_user"
psql -X -v ON_ERROR_STOP=1 -d "$(echo "$1" | sed 's/dbname=[^ ]*/dbname=usage_tracking/; t; s#/postgres\b#/usage_tracking#')" \
  -f /etc/usage/init-timescale.sql
