# Puts the exporters' passwords on their volume, readable by the exporters' uid alone. Runs as root, without network.
# Argument: UID:GID
set -eu
umask 077
owner=$1
trap 'rm -f /staged/*' EXIT
trap 'exit 1' TERM INT

chown "$owner" /secrets
chmod 0500 /secrets
for staged in /staged/*; do
    name=${staged##*/}
    cp "$staged" "/secrets/.$name.new"
    chmod 0400 "/secrets/.$name.new"
    chown "$owner" "/secrets/.$name.new"
    mv "/secrets/.$name.new" "/secrets/$name"
done
echo "passwords staged"
