#!/usr/bin/env bash
# docker/backup.sh FOLDER
#
# Writes a backup of the running system into a new folder: Redis' append-only file first, then PostgreSQL. In this order
# nothing accepted before the backup began is missing: an event that moved from the stream to the database in between is
# in both, and counts once when the stream is worked off after a restore.
set -euo pipefail
folder=${1:?usage: docker/backup.sh FOLDER}
mkdir -p "$(dirname "$folder")"
mkdir "$folder"
chmod 700 "$folder"
folder=$(cd "$folder" && pwd)
source "$(dirname "$0")/compose.sh"

redis() { compose exec -T redis redis-cli "$@" | tr -d '\r'; }
psql() { compose exec -T postgres psql -XqAt -v ON_ERROR_STOP=1 -U usage_user -d usage_tracking "$@" </dev/null; }

# No rewrite may exchange the files while they are copied.
percentage=$(redis config get auto-aof-rewrite-percentage </dev/null | tail -1)
redis config set auto-aof-rewrite-percentage 0 </dev/null >/dev/null
trap 'redis config set auto-aof-rewrite-percentage "$percentage" </dev/null >/dev/null' EXIT
for _ in $(seq 600); do
  redis info persistence </dev/null | grep -q '^aof_rewrite_in_progress:0' && break
  sleep 0.5
done
# A copy first: the file grows while it is read, and tar would take offence.
compose exec -T redis sh -c \
  'cd /data && rm -rf backup && mkdir backup && cp -R appendonlydir backup/ && tar -C backup -cf - appendonlydir && rm -rf backup' \
  </dev/null >"$folder/redis.tar"
say "redis.tar     $(du -h "$folder/redis.tar" | cut -f1)"

# pg_dump's warnings about circular foreign keys concern TimescaleDB's own catalogue; its restore steps answer them.
compose exec -T postgres pg_dump -U usage_user -d usage_tracking -Fc --compress=1 \
  </dev/null >"$folder/postgres.dump" 2>"$folder/pg_dump.log" || { cat "$folder/pg_dump.log" >&2; fail 'pg_dump failed'; }
say "postgres.dump $(du -h "$folder/postgres.dump" | cut -f1)"

{
  echo "created_at=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "postgres=$(psql -c 'SHOW server_version')"
  echo "timescaledb=$(psql -c "SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), 'none')")"
  echo "events=$(psql -c 'SELECT coalesce(sum(events), 0) FROM batches')"
} >"$folder/manifest"
(cd "$folder" && sha256sum redis.tar postgres.dump manifest >SHA256SUMS)
cat "$folder/manifest"
