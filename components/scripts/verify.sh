# Compares what is declared with what is: files, console, catalogs, and logins by every service's own lane. Changes nothing.
# Ends with 0 when all is as declared, 1 on any miss, 2 when that cannot be judged. What was staged is gone at the end.
# Arguments: CONTAINER_ID DB_HOST DB_PORT DATABASE ADMIN ALIAS PORT ENTRY AUTH_ENTRY CLIENT|- NOBODY NAME=VALUE …
#
# /staged/declared, tab-separated: `check NAME TO_DO`, `fact CHECK SUBJECT VALUE`, `may CHECK SUBJECT|*` (there or not),
# `note CHECK SUBJECT REASON` (not judged), `login SERVICE USER HOST PORT DATABASE BACKENDS READ_ONLY`.
set -eu
umask 077
id=$1 db_host=$2 db_port=$3 database=$4 admin=$5 alias=$6 port=$7 entry=$8 auth_entry=$9
shift 9
client=$1 nobody=$2
shift 2
tab=$(printf '\t')
LOGIN_SECONDS=10
AT_ONCE=4

cannot() { # cannot REASON: nothing is wrong with the deployment for all that is known
    settled=1
    echo "cannot be judged: $*" >&2
    exit 2
}

# set -e ends with 1 as well, which means a miss
settled=''
trap '[ "$settled" ] || cannot "a command failed before the comparison"' EXIT

# /tmp is in memory. libpq refuses a password file that its group may read, and /staged belongs to root.
mkdir -p /tmp/verify
for file in admin.pgpass services.pgpass; do
    cat "/staged/$file" >"/tmp/verify/$file"
    : >"/staged/$file"
done
cd /tmp/verify
export PGAPPNAME=pgbouncer-stack PGPASSFILE=/tmp/verify/no.pgpass

psql_facts() { # psql_facts [OPTION …]: psql whose answers are facts
    PGCONNECT_TIMEOUT=$LOGIN_SECONDS psql -X -q -w -A -t -F "$tab" "$@"
}

said() { # said FILE: the server's own words, without addresses and without psql's
    sed -n -e 's/.*\(FATAL\|ERROR\):  *//p' "$1" | tail -n 1 | grep . || tail -n 1 "$1"
}

judged() { # judged WORDS: a full server or a busy lane says nothing about the deployment
    case $1 in
    *'query_wait_timeout'* | *'no more connections allowed'* | *'too many clients'* | *'too many connections'* | *'remaining connection slots'*)
        echo "not judged: $1" ;;
    *) echo "$1" ;;
    esac
}

# --- the console, and a scratch PgBouncer that reads the declared files

slot=$(slot_of "$id") || cannot "the pooler container holds no socket slot; is it running? see: docker logs $(printf %.12s "$id")"
live=/run/pgb/$slot
console "$live" "$port" 'SHOW VERSION' >version 2>error || cannot "the pooler does not answer: $(said error)"

console_facts() { # console_facts DIR: what its process has in force
    console "$1" "$port" 'SHOW CONFIG' | awk -F'|' -v OFS='\t' '
        NR == 1 || $1 ~ /^(conffile|logfile|peer_id|pidfile|unix_socket_dir|unix_socket_group|unix_socket_mode|user|verbose)$/ { next }
        $1 ~ /^listen_(addr|port)$/ && scratch { next }
        $1 ~ /^(disable_pqexec|job_name|listen_addr|listen_backlog|listen_port|pkt_buf|resolv_conf|service_name|so_reuseport|track_extra_parameters)$/ {
            print "restart-only", $1, $2; next }
        { print "settings", $1, $2 }' scratch="$2"
    for table in DATABASES USERS; do
        console "$1" "$port" "SHOW $table" | awk -F'|' -v OFS='\t' '
            NR == 1 { for (i = 1; i <= NF; i++) column[i] = $i; next }
            { for (i = 2; i <= NF; i++) if (column[i] !~ /^current_/) print check, $1 " " column[i], $i }
        ' check="$(echo "$table" | tr '[:upper:]' '[:lower:]')"
    done
}

# The scratch process listens on a private socket only. Its userlist names the same user: SHOW USERS has no passwords.
mkdir scratch
sed -n 's/^auth_user = \(.*\)$/"\1" "-"/p' /staged/pgbouncer.ini >userlist.txt
{
    echo '%include /staged/pgbouncer.ini'
    grep -v '^listen_addr\|^listen_port' /staged/restart_only || :
    echo 'auth_file = /tmp/verify/userlist.txt'
    echo 'auth_hba_file = /staged/pg_hba.conf'
    echo 'listen_addr ='
    echo "listen_port = $port"
    echo 'unix_socket_dir = /tmp/verify/scratch'
} >scratch.ini
pgbouncer scratch.ini >scratch.log 2>&1 &
scratch=$!
wait_for_console /tmp/verify/scratch "$port" "$scratch" || cannot "a scratch PgBouncer on the declared files does not answer: $(tail -n 1 scratch.log)"
console_facts /tmp/verify/scratch 1 | sed -e 's#/tmp/verify/userlist.txt#/config/live/userlist.txt#' \
    -e 's#/staged/pg_hba.conf#/config/live/pg_hba.conf#' -e 's/^/fact\t/' >declared
kill -QUIT "$scratch"
wait "$scratch" || :
cat /staged/declared >>declared

console_facts "$live" 0 >found
floor=$(awk -F'\t' '$1 == "fact" && $2 == "version" { print $4 }' declared)
awk 'NR == 2 { print $2 }' version | awk -F. -v OFS='\t' -v floor="${floor##* }" '{
    split(floor, least, ".")
    first = 3
    for (i = 3; i >= 1; i--) if ($i + 0 != least[i] + 0) first = i
    print "version", "PgBouncer", ($first + 0 >= least[first] + 0) ? "at least " floor : $0 }' >>found
for file in pgbouncer.ini pg_hba.conf userlist.txt; do
    [ -r "/config/live/$file" ] || continue
    printf 'files\t%s\t%s\n' "$file" "$(sha256sum <"/config/live/$file" | cut -c1-16)" >>found
done
cap=$(awk -F'\t' '$1 == "fact" && $3 == "of the pooler" { print $4 }' declared)
console "$live" "$port" 'SHOW SERVERS' | awk -v cap="${cap##* }" 'NR > 1 { n++ } END {
    print "backends\tof the pooler\t" (n + 0 <= cap + 0 ? "at most " cap : n) }' >>found

# --- the network: Docker's DNS knows a container by the first twelve digits of its id, whoever else has the alias

pooler=$(printf %.12s "$id")
address=$(getent ahostsv4 "$pooler" 2>/dev/null | awk 'NR == 1 { print $1 }') || :
if [ -z "$address" ]; then
    found_alias='not judged: the image cannot resolve names'
elif getent ahostsv4 "$alias" | grep -q "^$address "; then
    found_alias='leads to the pooler'
else
    found_alias='leads elsewhere'
fi
printf 'alias\t%s\t%s\n' "$alias" "$found_alias" >>found

# --- the catalogs

set -- "$@" "address=$address"
for variable in "$@"; do
    set -- "$@" -v "$variable"
    shift
done
PGPASSFILE=/tmp/verify/admin.pgpass PGDATABASE=$database psql_facts "$@" -h "$db_host" -p "$db_port" -U "$admin" \
    -f /staged/verify_catalog.sql >>found 2>error || cannot "the catalogs cannot be read as $admin: $(said error)"

# --- logins that have to be refused: by these words, for a missing password would look like a refusal too

refused() { # refused SUBJECT USER DATABASE
    if PGDATABASE=$3 psql_facts -h "$pooler" -p "$port" -U "$2" -c '' >/dev/null 2>error; then
        printf 'refusals\t%s\tlogged in\n' "$1"
    else
        printf 'refusals\t%s\t%s\n' "$1" "$(judged "$(said error)")"
    fi
}
auth_role=$(sed -n 's/^auth_user = //p' /staged/pgbouncer.ini)
{
    refused "$auth_role as a client" "$auth_role" "$entry"
    # as a role that the lookup answers for; before the first cutover there is none
    [ "$client" = - ] || refused "a service on the entry $auth_entry" "$client" "$auth_entry"
    # as a role of the userlist: for others it would ask the lookup first, as the auth role that its process began with
    refused 'the console from the network' "$auth_role" pgbouncer
    # a name of this run's own: PgBouncer answers otherwise for one that the lookup has ever known (measured on 1.26.1)
    refused 'a role that no service names' "${nobody}_$(cat /proc/sys/kernel/hostname)" "$entry"
} >>found

# --- logins of services

knows_named=$(psql --version | awk '{ print ($3 + 0 >= 18) ? 1 : 0 }')

session() { # session USER HOST PORT DATABASE PSQL_OPTION …
    user=$1 host=$2 at=$3
    export PGDATABASE="$4"
    shift 4
    PGPASSFILE=/tmp/verify/services.pgpass PGCONNECT_TIMEOUT=$LOGIN_SECONDS timeout "$LOGIN_SECONDS" \
        psql -X -q -w -A -t -F "$tab" -h "$host" -p "$at" -U "$user" "$@"
}

hold() { # hold USER HOST PORT DATABASE: takes the backend that the other session has just had, until that one is done
    until [ -e "$STEP.first" ] || [ -e "$STEP.over" ]; do sleep 0.05; done
    [ ! -e "$STEP.over" ] || return 0
    session "$@" -c BEGIN -c 'SELECT 1' -c '\! touch "$STEP.held"; until [ -e "$STEP.done" ] || [ -e "$STEP.over" ]; do sleep 0.05; done' \
        -c ROLLBACK >/dev/null 2>&1 || :
    touch "$STEP.over"
}

alone_in() { # alone_in POOL: keeps other visits out of it; gives up after as long as a login may take
    waited=0
    until mkdir "$1" 2>/dev/null; do
        waited=$((waited + 1))
        [ "$waited" -lt $((LOGIN_SECONDS * 20)) ] || return 1
        sleep 0.05
    done
}

visit() { # visit SERVICE USER HOST PORT DATABASE BACKENDS READ_ONLY -> facts
    name=$1 backends=$6 read_only=$7
    set -- "$2" "$3" "$4" "$5"
    refusal='' attempt=0 pids=0 times=0
    # Pools are per user and entry: several visits that hold a backend each could have taken all of one, and none would go on.
    pool=/tmp/verify/pool.$(printf '%s\n' "$1" "$4" | sha256sum | cut -c1-16)
    if [ "$backends" -gt 1 ] && alone_in "$pool"; then alone=1; else alone=''; fi
    # While others work on the lane, both sessions may miss each other's backend: up to three times.
    while [ "$attempt" -lt 3 ] && [ "$pids" -lt "$backends" ]; do
        attempt=$((attempt + 1))
        rm -f "$STEP.first" "$STEP.held" "$STEP.done" "$STEP.over"
        if [ "$alone" ]; then hold "$@" & else touch "$STEP.held"; fi
        status=0
        session "$@" -v "service=$name" -v "read_only=$read_only" -v "knows_named=$knows_named" \
            -f /staged/verify_login.sql >"$STEP.out" 2>"$STEP.error" || status=$?
        touch "$STEP.over"
        wait
        grep -q "^logins$tab" "$STEP.out" || refusal=$(why "$status" "$(said "$STEP.error")")
        times=$(grep -c "^pid$tab" "$STEP.out") || :
        pids=$(awk -F'\t' '$1 == "pid" && !seen[$2]++ { n++ } END { print n + 0 }' "$STEP.out")
        [ -z "$refusal" ] && [ "$times" -eq 6 ] || break
    done
    [ -z "$alone" ] || rmdir "$pool"
    if [ -n "$refusal" ]; then
        printf 'logins\t%s\t%s\n' "$name" "$refusal"
        result='not judged: no login'
    else
        grep "^logins$tab" "$STEP.out"
        case $knows_named$times,$pids,$backends in
        0*) result='not judged: psql in the image is older than 18, which knows no named statements' ;;
        16,*,1) result='six times on one backend only' ;;
        16,1,*) result='not judged: six times, but the lane gave it one backend only' ;;
        16,*) result='six times on two backends' ;;
        *) result=$(why "$status" "$times times of six: $(said "$STEP.error")") ;;
        esac
    fi
    printf 'prepared\t%s\t%s\n' "$name" "$result"
}

why() { # why EXIT_STATUS WORDS: a session that failed
    [ "$1" -ne 124 ] || { echo "not judged: no backend became free within $LOGIN_SECONDS s" && return; }
    judged "$2"
}

running=0
while IFS=$tab read -r kind name user host at target backends read_only; do
    [ "$kind" = login ] || continue
    [ "$host" = pooler ] && host=$pooler
    running=$((running + 1))
    export STEP="/tmp/verify/login.$running"
    visit "$name" "$user" "$host" "$at" "$target" "$backends" "$read_only" >"$STEP.facts" &
    [ $((running % AT_ONCE)) -ne 0 ] || wait
done </staged/declared
wait
for number in $(seq 1 "$running"); do cat "/tmp/verify/login.$number.facts"; done >>found

# --- the table

settled=1
awk -F'\t' -f /staged/verify_table.awk declared found
