#!/usr/bin/env bash
# .ci/run in a bare Debian, where nothing that this machine happens to have can help it. As root, with debootstrap:
#     tests/cluster/bare.sh FOLDER [COMMAND...]
# FOLDER becomes the root and is kept: a second run finds what the first one built. The committed tree is cloned into it.
# Only the way to the package mirrors is this machine's. The run has mounts and processes of its own, which end with it;
# network and control groups are the machine's.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
root=$(readlink -f "$1")
shift
[ $# -gt 0 ] || set -- bash .ci/run

if ! [ -e "$root/etc/made" ]; then
    debootstrap --variant=minbase --include=ca-certificates bookworm "$root"
    if [ -e /etc/apt/sources.list.d/debian.sources ]; then
        cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
        rm "$root/etc/apt/sources.list"
    fi
    cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
    chroot "$root" update-ca-certificates
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
    touch "$root/etc/made"
fi
cp /etc/resolv.conf /etc/hosts "$root/etc/"
rm -rf "$root/src"
git clone --quiet "$here/../.." "$root/src"

mapfile -t passed < <(env | grep -E '^(PIP_CERT|PIP_DEFAULT_TIMEOUT|PIP_INDEX_URL|SSL_CERT_FILE|GOPROXY|https?_proxy|no_proxy)=')
# shellcheck disable=SC2016  # for the inner shell
exec unshare --mount --pid --fork --kill-child bash -ec '
    root=$1
    shift
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    # Not chroot: nsenter(1), with which the tests start what runs in a node, would find the old root again.
    cd "$root"
    pivot_root . mnt
    umount -l /mnt
    exec env -i "$@"
' bare "$root" CI=true HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "${passed[@]}" \
    bash -c 'cd /src && exec "$@"' bare "$@"
