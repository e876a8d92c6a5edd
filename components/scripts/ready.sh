# Succeeds once the pooler container answers on its socket slot. Stands between its creation and the old one's end.
# Arguments: CONTAINER_ID PORT TIMEOUT_SECONDS
set -eu
id=$1 port=$2 timeout=$3

waited=0
while :; do
    if slot=$(slot_of "$id") && version=$(console "/run/pgb/$slot" "$port" 'SHOW VERSION' 2>/tmp/error); then break; fi
    if [ "$waited" -ge "$timeout" ]; then
        echo "the new pooler did not answer within $timeout s; see: docker logs $(printf %.12s "$id")" >&2
        [ -s /tmp/error ] && cat /tmp/error >&2
        exit 1
    fi
    sleep 1
    waited=$((waited + 1))
done

version=$(printf '%s\n' "$version" | awk 'NR == 2 { print $2 }')
if ! printf '%s\n' "$version" | awk -F. '{ exit !($1 > 1 || $1 == 1 && ($2 > 26 || $2 == 26 && $3 + 0 >= 1)) }'; then
    echo "image: holds PgBouncer $version, below 1.26.1 whatever its tag says; use 1.26.1 or later" >&2
    exit 1
fi
echo "ready: PgBouncer $version in slot $slot after $waited s"
