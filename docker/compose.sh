# What the scripts of this folder share; read by `source`. Runs from the folder of compose.yaml.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if docker compose version >/dev/null 2>&1; then compose_command='docker compose'; else compose_command='docker-compose'; fi
compose() { $compose_command "$@"; }
say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# wait_healthy CONTAINER SECONDS
wait_healthy() {
  local deadline=$((SECONDS + $2)) state
  while :; do
    state=$(docker inspect --format '{{.State.Health.Status}}' "$1")
    [ "$state" = healthy ] && return
    if [ $SECONDS -ge $deadline ]; then
      docker logs --tail 20 "$1" >&2
      fail "$(docker inspect --format '{{.Name}}' "$1") is $state after $2 s"
    fi
    sleep 0.5
  done
}
