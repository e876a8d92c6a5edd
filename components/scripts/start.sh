# First process of the pooler container: takes a free socket slot, runs PgBouncer, drains it when stopped.
# Arguments: PORT DRAIN_SECONDS RESTART_ONLY_LINES
set -eu
port=$1 drain_seconds=$2 restart_only=$3

for owner in /run/pgb/*/container; do # a restarted container may get another slot
    if [ -f "$owner" ] && [ "$(cat "$owner")" = "$HOSTNAME" ]; then rm -f "$owner"; fi
done
slot=
for candidate in 1 2 3; do
    mkdir -p "/run/pgb/$candidate"
    if ! console "/run/pgb/$candidate" "$port" 'SHOW VERSION' >/dev/null 2>&1; then
        slot=$candidate
        break
    fi
done
if [ -z "$slot" ]; then
    echo "all socket slots answer: remove a pooler that is not in use (docker ps)" >&2
    exit 1
fi
directory=/run/pgb/$slot
echo "$directory" >/tmp/slot
echo "$HOSTNAME" >"$directory/container"

{
    echo '%include /config/live/pgbouncer.ini'
    printf '%s\n' "$restart_only"
    echo "unix_socket_dir = $directory"
    echo "peer_id = $slot"
} >/tmp/pgbouncer.ini

pgbouncer /tmp/pgbouncer.ini &
pid=$!

drain() {
    trap : TERM INT # a second signal would end it at once
    # Phase one: no new connections by TCP, but logins in progress and running work go on.
    console "$directory" "$port" 'SHUTDOWN WAIT_FOR_CLIENTS' >/dev/null 2>&1 || kill -INT "$pid" || :
    waited=0
    while [ "$waited" -lt "$drain_seconds" ] && kill -0 "$pid" 2>/dev/null; do
        sleep 1
        waited=$((waited + 1))
    done
    # Phase two: running transactions end, idle clients are closed, then the process exits.
    # A process that does not answer now has nothing to drain.
    console "$directory" "$port" 'SHUTDOWN WAIT_FOR_SERVERS' >/dev/null 2>&1 || kill -TERM "$pid" 2>/dev/null || :
    wait "$pid" || :
    rm -f "$directory/container"
    exit 0
}
trap drain TERM INT

status=0
wait "$pid" || status=$?
rm -f "$directory/container"
exit "$status"
