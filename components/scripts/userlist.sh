# Puts the secret userlist on the config volume, readable by the pooler's uid alone. Runs as root, without network.
# Argument: UID:GID
set -eu
umask 077
owner=$1
trap 'rm -f /staged/userlist.txt' EXIT
trap 'exit 1' TERM INT

mkdir -p /config/pending
for directory in /config /config/pending /run/pgb; do
    chown "$owner" "$directory"
    chmod 0700 "$directory"
done
cp /staged/userlist.txt /config/pending/.userlist.new
chmod 0400 /config/pending/.userlist.new
chown "$owner" /config/pending/.userlist.new
mv /config/pending/.userlist.new /config/pending/userlist.txt
echo "userlist staged"
