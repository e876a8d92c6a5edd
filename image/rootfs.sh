#!/bin/sh
# Makes a small Debian root filesystem and writes it to stdout as a tar archive. Needs root and debootstrap.
#   rootfs.sh SUITE PACKAGE,PACKAGE,… [FILE:PATH/IN/IMAGE …]
# MIRROR and WORK (a folder on a normal disk) come from the environment; without MIRROR debootstrap takes its own default.
set -eu

suite=$1 packages=$2
shift 2
root=$(mktemp -d "${WORK:-/var/tmp}/rootfs.XXXXXX")

clean_up() {
    for mount in proc sys dev; do
        umount -l "$root/$mount" 2>/dev/null || true
    done
    rm -rf --one-file-system "$root"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The script is named because a new suite has none of its own on an older machine.
debootstrap --variant=minbase --include="$packages" "$suite" "$root" "${MIRROR:-}" sid >&2

for file in "$@"; do
    install -D -m 0755 "${file%%:*}" "$root/${file#*:}"
done

cd "$root"
# Debian's psql is a Perl script that looks for clusters; the real one is what an image needs.
for program in psql initdb postgres pg_isready pg_dump pgbench; do
    for real in usr/lib/postgresql/*/bin/"$program"; do
        if [ -x "$real" ]; then ln -sf "/$real" "usr/local/bin/$program"; fi
    done
done
# What a running container never reads: package lists and caches, documentation, translations, Perl's library
# (perl-base stays), the JIT compiler of Postgres (without it Postgres says `jit` is not available and goes on).
rm -rf var/cache/apt/* var/lib/apt/lists/* var/cache/debconf/* var/log/* usr/share/doc/* usr/share/man/* usr/share/info/* \
    usr/share/locale/* usr/share/i18n/* usr/share/perl/* usr/lib/*/perl usr/lib/*/gconv usr/lib/*/libLLVM* usr/lib/llvm* \
    usr/lib/*/libz3.so* usr/lib/postgresql/*/lib/bitcode usr/lib/postgresql/*/lib/llvmjit* usr/share/postgresql/*/man
# The cluster that the package makes for its host: a container makes its own.
rm -rf var/lib/postgresql/* etc/postgresql/*
# Nothing in these images has to change its user.
find . -xdev -type f -perm /6000 -exec chmod a-s {} +

tar --numeric-owner --one-file-system -c .
