#!/usr/bin/env bash
# docker/restore.sh FOLDER
#
# Restores a backup into an empty stack: no containers, no volumes (`docker compose down`, and `docker volume rm` for
# postgres_data and redis_data when they are to be replaced). Starts PostgreSQL and Redis; `docker compose up -d` starts the
# rest. PostgreSQL may be newer than in the backup, TimescaleDB has to be the same version.
set -euo pipefail
folder=$(cd "${1:?usage: docker/restore.sh FOLDER}" && pwd)
source "$(dirname "$0")/compose.sh"

psql() { compose exec -T postgres psql -XqAt -v ON_ERROR_STOP=1 -U usage_user -d usage_tracking "$@" </dev/null; }

(cd "$folder" && sha256sum --quiet -c SHA256SUMS) || fail "$folder is damaged"
[ -z "$(compose ps -q postgres redis 2>/dev/null)" ] || fail "the stack is there: $compose_command down first"

# Redis reads the append-only file when it starts, so that it has to be there before.
compose run --rm --no-deps -T redis sh -c \
  '[ -z "$(ls -A /data)" ] || { echo "the volume redis_data is not empty" >&2; exit 1; }; tar -C /data -xf -' \
  <"$folder/redis.tar"
compose up -d redis postgres >/dev/null 2>&1
wait_healthy "$(compose ps -q postgres)" 180
wait_healthy "$(compose ps -q redis)" 180
say 'redis: restored'

[ "$(psql -c "SELECT to_regclass('events') IS NULL")" = t ] || fail 'the volume postgres_data is not empty'
wanted=$(sed -n 's/^timescaledb=//p' "$folder/manifest")
present=$(psql -c "SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), 'none')")
[ "$wanted" = "$present" ] || fail "the backup is of TimescaleDB $wanted, here is $present: set TIMESCALEDB_IMAGE"

[ "$wanted" = none ] || psql -c 'SELECT timescaledb_pre_restore()' >/dev/null
compose exec -T postgres pg_restore -U usage_user -d usage_tracking --exit-on-error <"$folder/postgres.dump"
[ "$wanted" = none ] || psql -c 'SELECT timescaledb_post_restore()' >/dev/null
psql -c 'ANALYZE' >/dev/null

events=$(psql -c 'SELECT coalesce(sum(events), 0) FROM batches')
say "postgres: restored, $events events"
[ "$events" = "$(sed -n 's/^events=//p' "$folder/manifest")" ] ||
  say "the manifest counted $(sed -n 's/^events=//p' "$folder/manifest"): taken a moment after the dump"
