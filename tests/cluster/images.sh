#!/usr/bin/env bash
# The images' part of get.sh: pause and CoreDNS, and a stand-in for the Containerfile's base image, Debian's own Python 3.11
# by debootstrap. Then the repository's image once, so that what changes rarely of it is in the builder's cache. What a
# machine's own package mirror needs (CA bundle, pip's configuration) is lent to the builder as volumes, never baked in.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
images=$KUBE_HOME/images
mkdir -p "$images"
export PATH="$KUBE_HOME/bin:$PATH"
say() { echo "[$(date +%T)] $*" >&2; }

if ! [ -e "$images/pause.tar" ]; then
    say "image pause"
    mkdir -p "$KUBE_HOME/pause"
    # the first process of a pod, and of a node: whoever loses its parent is taken in and buried (SIGCHLD ignored)
    cc -Os -static -o "$KUBE_HOME/bin/pause" -x c - <<'C'
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, SIG_IGN); for (;;) pause(); }
C
    cp "$KUBE_HOME/bin/pause" "$KUBE_HOME/pause/"
    python3 "$here/archive.py" registry.k8s.io/pause:3.10 "$images/pause.tar" "$KUBE_HOME/pause" /pause
fi
if ! [ "$images/coredns.tar" -nt "$KUBE_HOME/bin/coredns" ]; then
    say "image CoreDNS"
    mkdir -p "$KUBE_HOME/coredns"
    cp "$KUBE_HOME/bin/coredns" "$KUBE_HOME/coredns/"
    python3 "$here/archive.py" registry.k8s.io/coredns/coredns:test "$images/coredns.tar" "$KUBE_HOME/coredns" /coredns
    rm -r "$KUBE_HOME/coredns"
fi
if ! [ -e "$KUBE_HOME/base.tar" ]; then
    say "base image"
    base=$KUBE_HOME/base
    rm -rf "$base"
    DEBOOTSTRAP_DIR=$KUBE_HOME/root/usr/share/debootstrap "$KUBE_HOME/root/usr/sbin/debootstrap" \
        --variant=minbase --include=python3,ca-certificates bookworm "$base" > "$KUBE_HOME/debootstrap.log"
    rm -rf "$base"/var/{cache,log,lib/apt/lists,cache/debconf}/* "$base"/usr/share/{doc,man,locale,info,lintian}/* \
        "$base"/usr/lib/python3*/pydoc_data "$base"/debootstrap
    mkdir -p "$base"/var/cache/apt/archives/partial "$base"/var/lib/apt/lists/partial
    python3 "$here/archive.py" localhost/base:latest "$KUBE_HOME/base.tar" "$base"
    rm -rf "$base"
fi
python3 "$here/image.py" "$KUBE_HOME/nodeproxy.tar"
