# Runs /staged/statements.sql on the shared database as its admin. What was staged is gone when this ends.
# Arguments: HOST PORT DATABASE USER [NAME=VALUE …], the last being psql variables
set -eu
trap 'rm -f /staged/*' EXIT
trap 'exit 1' TERM INT
export PGPASSFILE=/staged/pgpass PGCONNECT_TIMEOUT=10 PGAPPNAME=pgbouncer-stack
host=$1 port=$2 database=$3 user=$4
shift 4
for variable in "$@"; do
    set -- "$@" -v "$variable"
    shift
done
psql -X -q -h "$host" -p "$port" -d "$database" -U "$user" -v ON_ERROR_STOP=1 -v "database=$database" "$@" \
    -f /staged/statements.sql
echo "done"
