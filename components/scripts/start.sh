# First process of the pooler container: takes a free socket slot, runs PgBouncer, drains it when stopped.
# Arguments: PORT DRAIN_SECONDS RESTART_ONLY_LINES
set -eu
port=$1 drain_seconds=$2 restart_only=$3
directory=

give_up_slots() { # a container that is restarted may get another slot; those of others stay theirs
    for owner in /run/pgb/*/container; do
        if [ -f "$owner" ] && [ "$(cat "$owner")" = "$HOSTNAME" ]; then rm -f "$owner"; fi
    done
}

is_free() { # is_free SLOT: nobody listens there; a pooler that hangs still listens
    ! said=$(LC_ALL=C console "/run/pgb/$1" "$port" 'SHOW VERSION' 2>&1) || return 1
    case $said in *'Connection refused'* | *'No such file'*) ;; *) return 1 ;; esac
}

serves() { # the process behind the slot's socket is this container's
    pidfile=$(console "$directory" "$port" 'SHOW CONFIG' 2>/dev/null | awk -F'|' '$1 == "pidfile" { print $2 }')
    [ "$pidfile" = "/tmp/$HOSTNAME.pid" ]
}

give_up_slots
for candidate in 1 2 3; do
    mkdir -p "/run/pgb/$candidate"
    if is_free "$candidate"; then
        slot=$candidate
        directory=/run/pgb/$slot
        break
    fi
done
if [ -z "$directory" ]; then
    echo "all socket slots are taken: remove a pooler that is not in use (docker ps)" >&2
    exit 1
fi
echo "$directory" >/tmp/slot

{
    echo '%include /config/live/pgbouncer.ini'
    printf '%s\n' "$restart_only"
    echo "unix_socket_dir = $directory"
    echo "peer_id = $slot"
    echo "pidfile = /tmp/$HOSTNAME.pid"
} >/tmp/pgbouncer.ini

pgbouncer /tmp/pgbouncer.ini &
pid=$!

# One signal at most: a second one during a shutdown ends PgBouncer at once, with its transactions. Where the console
# cannot be reached, the transactions have until the end of Docker's grace.
drain() {
    trap : TERM INT
    # Phase one: no new connections by TCP, but logins in progress and running work go on.
    if console "$directory" "$port" 'SHUTDOWN WAIT_FOR_CLIENTS' >/dev/null 2>&1; then
        waited=0
        while [ "$waited" -lt "$drain_seconds" ] && kill -0 "$pid" 2>/dev/null; do
            sleep 1
            waited=$((waited + 1))
        done
        # Phase two: running transactions end, idle clients are closed, then the process exits.
        console "$directory" "$port" 'SHUTDOWN WAIT_FOR_SERVERS' >/dev/null 2>&1 || :
    else
        kill -INT "$pid" 2>/dev/null || : # phase two without phase one
    fi
    while kill -0 "$pid" 2>/dev/null; do # another signal ends `wait`, not the process
        wait "$pid" || :
    done
    give_up_slots
    exit 0
}
trap drain TERM INT

# Two containers that start at the same moment may take the same slot: the owner is who got the socket.
until serves; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
if kill -0 "$pid" 2>/dev/null; then echo "$HOSTNAME" >"$directory/container"; fi

status=0
wait "$pid" || status=$?
give_up_slots
exit "$status"
