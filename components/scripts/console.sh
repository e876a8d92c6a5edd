# Shared by every script: the admin console over a Unix socket, and its tables without what changes by itself.
export PGCONNECT_TIMEOUT=3

console() { # console DIR PORT COMMAND
    psql -X -q -A -P footer=off -h "$1" -p "$2" -U pgbouncer -d pgbouncer -v ON_ERROR_STOP=1 -c "$3"
}

wait_for_console() { # wait_for_console DIR PORT PID: until that process answers; fails when it ends first or after 10 s
    tries=0
    until console "$1" "$2" 'SHOW VERSION' >/dev/null 2>&1; do
        tries=$((tries + 1))
        if ! kill -0 "$3" 2>/dev/null || [ "$tries" -ge 50 ]; then return 1; fi
        sleep 0.2
    done
}

slot_of() { # slot_of CONTAINER_ID -> number of the socket slot that this container holds
    for owner in /run/pgb/*/container; do
        [ -f "$owner" ] || continue
        holder=$(cat "$owner")
        case $1 in "$holder"*) slot=${owner%/container} && echo "${slot##*/}" && return ;; esac
    done
    return 1
}

settings_in_force() { # settings_in_force DIR PORT: SHOW CONFIG, DATABASES and USERS, comparable between processes
    console "$1" "$2" 'SHOW CONFIG' | awk -F'|' '
        NR > 1 && $1 !~ /^(conffile|disable_pqexec|job_name|listen_addr|listen_backlog|listen_port|logfile|peer_id|pidfile|pkt_buf|resolv_conf|service_name|so_reuseport|track_extra_parameters|unix_socket_dir|unix_socket_group|unix_socket_mode|user|verbose)$/ {
            print "config " $1 " = " $2 }'
    console "$1" "$2" 'SHOW DATABASES' | awk -F'|' '
        NR == 1 { for (i = 1; i <= NF; i++) skip[i] = $i ~ /^(current_|paused|disabled)/; next }
        { line = "database"; for (i = 1; i <= NF; i++) if (!skip[i]) line = line " " $i; print line }'
    console "$1" "$2" 'SHOW USERS' | awk -F'|' '
        NR == 1 { for (i = 1; i <= NF; i++) skip[i] = $i ~ /^current_/; next }
        { line = "user"; for (i = 1; i <= NF; i++) if (!skip[i]) line = line " " $i; print line }'
}
