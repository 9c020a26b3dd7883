#!/bin/sh
# docker/nginx.sh [check]
#
# Starts nginx, unless it would show a system without authentication to other machines. `check` only says whether it would:
# the service production_check, so that `docker compose up` fails instead of starting an nginx that ends again and again.
set -eu
case "$AUTH $NGINX_BIND_ADDRESS" in
  'off 127.'* | 'off ::1' | 'off [::1]') ;;
  'off '*)
    cat >&2 <<TEXT
AUTH=off and NGINX_BIND_ADDRESS=$NGINX_BIND_ADDRESS: anybody who reaches this machine could read and write.
Put AUTH=keys and ADMIN_API_KEY=(openssl rand -hex 32) into .env, or NGINX_BIND_ADDRESS=127.0.0.1 for a trial, and start again.
TEXT
    exit 1
    ;;
esac
[ "${1:-}" = check ] || exec nginx -g 'daemon off;'
