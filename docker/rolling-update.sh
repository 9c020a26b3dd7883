#!/usr/bin/env bash
# docker/rolling-update.sh [SERVICE…]
#
# Replaces the containers of the apps by ones of the present images and settings, one after another, while the system
# works. For each service: as many new replicas are started beside the old ones, have to become healthy, then the old ones
# are stopped, each answering what it has in flight. Behind nginx, or the ports 8000 and 8002, no request fails; events
# that a stopped processor held are stored by it before it ends or taken over by the others.
#
#   docker compose build            # or: USAGE_VERSION=1.2.3 docker compose pull
#   docker/rolling-update.sh
#
# The schema is brought up to date first: migrations are written so that the running version tolerates them.
set -euo pipefail
source "$(dirname "$0")/compose.sh"

services=("${@:-}")
[ -n "${services[0]}" ] || services=(query_service limits_service event_processor aggregation_service api_gateway)
healthy_seconds_max=120
# nginx and the entry keep what the DNS said for a second; a replica is stopped only when they know the new ones.
dns_seconds=3

say 'migrate: bringing the schema up to date'
compose up --no-deps migrate >/dev/null 2>&1 || true
code=$(docker inspect --format '{{.State.ExitCode}}' "$(compose ps -aq migrate)")
[ "$code" = 0 ] || fail "migrate ended with $code: $compose_command logs migrate"

for service in "${services[@]}"; do
  old=$(compose ps -q "$service")
  count=$(wc -w <<<"$old")
  [ "$count" -gt 0 ] || fail "$service does not run"
  compose up -d --no-deps --no-recreate --no-build --scale "$service=$((count * 2))" "$service" >/dev/null 2>&1
  new=$(compose ps -q "$service" | grep -vF "$old")
  for container in $new; do wait_healthy "$container" "$healthy_seconds_max"; done
  sleep "$dns_seconds"
  for container in $old; do
    docker stop --time 30 "$container" >/dev/null
    docker rm "$container" >/dev/null
  done
  say "$service: $count replaced, all healthy"
done
