# A stand-in for an application: one connection that is kept and used every second, and opened again when it ends.
# The DSN is in the file DATABASE_URL_FILE, or in DATABASE_URL. `ps` shows arguments to every user of the host, so the
# password goes into a file that psql reads, and only the rest of the DSN into its arguments.
set -eu
umask 077

# %41 → A, byte by byte.
decoded() {
    rest=$1
    while :; do
        case $rest in
        *%*)
            printf %s "${rest%%\%*}"
            rest=${rest#*\%}
            printf %b "\\0$(printf %o "0x$(printf %.2s "$rest")")"
            rest=${rest#??}
            ;;
        *)
            printf %s "$rest"
            return
            ;;
        esac
    done
}

dsn=${DATABASE_URL:-}
[ -n "$dsn" ] || dsn=$(cat "${DATABASE_URL_FILE:?is not set, and DATABASE_URL neither}")
unset DATABASE_URL

scheme=${dsn%%://*} behind=${dsn#*://}
credentials=${behind%%@*} target=${behind#*@}
case $credentials in
*:*)
    export PGPASSFILE=/tmp/pgpass
    # In a password file : and \ are escaped.
    printf '*:*:*:*:%s\n' "$(decoded "${credentials#*:}" | sed 's/[\\:]/\\&/g')" >"$PGPASSFILE"
    ;;
esac

every_second() {
    printf '%s\n' '\echo connected to :HOST'
    while sleep 1; do printf '%s\n' 'SELECT 1 \g /dev/null'; done
}

trap 'exit 0' TERM INT
while :; do
    every_second | psql -X -w -v ON_ERROR_STOP=1 "$scheme://${credentials%%:*}@$target" &
    wait $! || echo 'the connection ended; trying again'
    sleep 1 &
    wait $!
done
