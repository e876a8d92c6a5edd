#!/bin/sh
# A throwaway Postgres: makes the cluster on its first start, then becomes the server. Arguments go to `postgres` as they are.
# Over the network every role needs its password (SCRAM); `docker exec` may use the local socket as user postgres.
set -eu

export PGDATA=/var/lib/postgresql/data
port=5432

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    find "$PGDATA" -mindepth 1 -delete # an initdb that was cut off leaves pieces without a version
    initdb --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
fi

exec postgres -c "listen_addresses=*" -c "port=$port" -c password_encryption=scram-sha-256 -c unix_socket_directories=/tmp "$@"
