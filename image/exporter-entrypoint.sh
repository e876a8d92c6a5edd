#!/bin/sh
# One image for both exporters: which one it is, is decided by the variables that the community's images take.
set -eu
if [ -n "${DATA_SOURCE_URI:-}" ]; then
    exec prometheus-postgres-exporter "$@"
fi
: "${PGBOUNCER_EXPORTER_CONNECTION_STRING:?is not set, and DATA_SOURCE_URI is not either}"
# its 2022 release warns about its own comparisons under a newer Python
exec python3 -W ignore -m prometheus_pgbouncer_exporter.cli --config /etc/pgbouncer-exporter.yml "$@"
