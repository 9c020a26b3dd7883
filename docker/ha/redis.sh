#!/bin/sh
# sh redis.sh server|sentinel NAME: starts a Redis or a Sentinel whose configuration lies on its volume. Both rewrite it when
# roles change: after a restart of everything the server with the newest frames is still the primary.
set -eu
kind=$1 name=$2 file=/data/$1.conf
if [ ! -f "$file" ] && [ "$kind" = server ]; then
  cat > "$file" <<EOF
dir /data
replica-announce-ip $name
replica-announce-port 6379
maxmemory $REDIS_MAXMEMORY
maxmemory-policy volatile-lru
appendonly yes
appendfsync $REDIS_APPENDFSYNC
save ""
protected-mode no
# Cut off from both replicas it takes no writes: the other side may have a primary by then.
min-replicas-to-write 1
min-replicas-max-lag 10
repl-backlog-size 64mb
EOF
  [ "$name" = redis ] || echo "replicaof redis 6379" >> "$file"
fi
if [ ! -f "$file" ] && [ "$kind" = sentinel ]; then
  cat > "$file" <<EOF
port 26379
dir /tmp
protected-mode no
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel announce-ip $name
sentinel monitor usage redis 6379 2
sentinel down-after-milliseconds usage 5000
sentinel failover-timeout usage 15000
sentinel parallel-syncs usage 1
EOF
fi
if [ "$kind" = server ]; then exec redis-server "$file"; else exec redis-server "$file" --sentinel; fi
