# Stages ini, HBA and userlist into a folder named by their hash, and lets a scratch PgBouncer read them first.
# Arguments: HASH PORT
set -eu
umask 077
hash=$1 port=$2
staging=/config/.$hash.new
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' TERM INT

rm -rf "$staging"
mkdir "$staging"
cp /staged/pgbouncer.ini /staged/pg_hba.conf "$staging/"
cp /config/pending/userlist.txt "$staging/"
found=$(cat "$staging/pgbouncer.ini" "$staging/pg_hba.conf" "$staging/userlist.txt" | sha256sum | cut -c1-16)
if [ "$found" != "$hash" ]; then
    echo "the files on the volume have hash $found, the stack declares $hash: run the userlist job again" >&2
    exit 1
fi
chmod 0400 "$staging"/*

# There is no config check in PgBouncer: start one that listens nowhere, and take its warnings as failure.
mkdir -p /tmp/scratch
{
    echo "%include $staging/pgbouncer.ini"
    echo "auth_file = $staging/userlist.txt"
    echo "auth_hba_file = $staging/pg_hba.conf"
    echo 'listen_addr ='
    echo "listen_port = $port"
    echo 'unix_socket_dir = /tmp/scratch'
} >/tmp/scratch.ini
pgbouncer /tmp/scratch.ini >/tmp/scratch.log 2>&1 &
pid=$!
if wait_for_console /tmp/scratch "$port" "$pid"; then console /tmp/scratch "$port" 'SHOW VERSION' >/tmp/version; fi
awk '!/ LOG / && !seen[$0]++' /tmp/scratch.log >/tmp/complaints # at its start it writes each line twice
if [ -s /tmp/complaints ] || ! [ -s /tmp/version ]; then
    sed "s#$staging/##g" /tmp/complaints >&2
    [ -s /tmp/version ] || echo "a scratch PgBouncer on this configuration does not answer" >&2
    echo "PgBouncer does not accept this configuration; the one in use is untouched" >&2
    kill "$pid" 2>/dev/null || :
    exit 1
fi
settings_in_force /tmp/scratch "$port" | sed "s#$staging/#/config/live/#g" >"$staging/expected"
kill -QUIT "$pid"
wait "$pid" || :

mkdir -p "/config/$hash"
for file in pgbouncer.ini pg_hba.conf userlist.txt expected; do
    mv "$staging/$file" "/config/$hash/$file"
done
if ! [ -e /config/live ]; then
    ln -s "$hash" /config/live # nothing runs on this volume yet
fi
echo "staged $hash: $(tail -n 1 /tmp/version) accepts it"
