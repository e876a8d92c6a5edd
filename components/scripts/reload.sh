# Promotes a staged configuration: link, RELOAD, compare; on any miss the previous one is put back and reloaded.
# Arguments: HASH CONTAINER_ID PORT
set -eu
umask 077
hash=$1 id=$2 port=$3

if ! slot=$(slot_of "$id"); then
    echo "the pooler container holds no socket slot; is it running? see: docker logs $(printf %.12s "$id")" >&2
    exit 1
fi
directory=/run/pgb/$slot
previous=$(readlink /config/live)

# An entry that leaves the file kills its clients on RELOAD: refuse while there are any.
console "$directory" "$port" 'SHOW DATABASES' | awk -F'|' 'NR > 1 { print $1 }' >/tmp/entries
for entry in $(cat /tmp/entries); do
    if [ "$entry" != pgbouncer ] && ! grep -q "^database $entry " "/config/$hash/expected"; then
        users=$(console "$directory" "$port" 'SHOW CLIENTS' | awk -F'|' -v entry="$entry" '
            NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
            $column["database"] == entry { count[$column["user"]]++ }
            END { for (user in count) printf "%s%s (%d)", separator, user, count[user]; }')
        if [ -n "$users" ]; then
            echo "entry $entry would be removed while clients are on it: $users; move them first" >&2
            exit 1
        fi
    fi
done

promote() {
    ln -s "$1" /config/.live.new
    mv -T /config/.live.new /config/live
    console "$directory" "$port" 'RELOAD' >/dev/null 2>/tmp/reload-error
}

missed() {
    found=$(cat /config/live/pgbouncer.ini /config/live/pg_hba.conf /config/live/userlist.txt | sha256sum | cut -c1-16)
    [ "$found" = "$hash" ] || echo "files: hash $found, declared $hash"
    settings_in_force "$directory" "$port" >/tmp/found
    # users that the lookup found are in SHOW USERS too: only declared lines must be there
    grep -v '^user ' /tmp/found | sort >/tmp/found.settings
    grep -v '^user ' "/config/$hash/expected" | sort >/tmp/expected.settings
    awk 'NR == FNR { seen[$0]; next } !($0 in seen) { print "in force, not declared: " $0 }' \
        /tmp/expected.settings /tmp/found.settings
    awk 'NR == FNR { seen[$0]; next } !($0 in seen) { print "declared, not in force: " $0 }' /tmp/found "/config/$hash/expected"
}

rm -f /config/.live.new
if ! promote "$hash" || [ -n "$(missed | tee /tmp/missed)" ]; then
    cat /tmp/reload-error /tmp/missed >&2 2>/dev/null || :
    if [ "$previous" != "$hash" ]; then
        promote "$previous" || cat /tmp/reload-error >&2
        echo "the previous configuration ($previous) is back in force" >&2
    fi
    exit 1
fi
for folder in /config/*; do # a folder that is not live holds an old userlist
    case ${folder##*/} in "$hash" | live | pending) ;; *) rm -rf "$folder" ;; esac
done
echo "in force: $hash (before: $previous)"
