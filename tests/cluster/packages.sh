#!/usr/bin/env bash
# Debian's part of get.sh: unpacked into $KUBE_HOME/root, with one link per program in $KUBE_HOME/bin. Each program is told
# in its own ELF header where its libraries are: an environment variable would not reach what buildah starts by itself.
# Nothing is installed into the machine but what these programs call by name: ip and openssl.
set -euo pipefail
PACKAGES=(
    containerd runc containernetworking-plugins                                             # what runs pods
    nftables libnftables1 libedit2 libbsd0 libjansson4 libmnl0 libnftnl11 libxtables12      # kube-proxy's nft
    buildah golang-github-containers-common libgpgme11 libassuan0 libdevmapper1.02.1 libseccomp2 libudev1  # images
    debootstrap wget libpsl5 libidn2-0 libunistring2 libpcre2-8-0                           # their base
    patchelf                                                                                # writes those headers
    dnsmasq-base libdbus-1-3 libgmp10 libhogweed6 libnettle8 libnetfilter-conntrack3 libnfnetlink0  # DNS of another make
)
PROGRAMS=(
    usr/bin/containerd usr/bin/ctr usr/bin/containerd-shim-runc-v2 usr/sbin/runc usr/sbin/nft
    usr/bin/buildah usr/bin/wget usr/sbin/dnsmasq
)
root=$KUBE_HOME/root
list=$(printf '%s\n' "${PACKAGES[@]}" "${PROGRAMS[@]}" | sha256sum | cut -c1-16)
say() { echo "[$(date +%T)] $*" >&2; }

absent=""
for each in ip:iproute2 openssl:openssl; do command -v "${each%:*}" >/dev/null || absent="$absent ${each#*:}"; done
[ -z "$absent" ] && [ -e "$KUBE_HOME/built/packages-$list" ] && exit
say "Debian packages"
apt-get -qq update
# shellcheck disable=SC2086  # several words
[ -z "$absent" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $absent >/dev/null

rm -rf "$root" "$KUBE_HOME/debs"
mkdir -p "$root" "$KUBE_HOME/debs"
cd "$KUBE_HOME/debs"
apt-get -qq -o APT::Sandbox::User=root download "${PACKAGES[@]}"
for each in *.deb; do dpkg -x "$each" "$root"; done
rm -rf "$KUBE_HOME/debs"

# Absolute, not $ORIGIN: buildah starts itself again from a copy in memory, which is in no folder.
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
for path in "${PROGRAMS[@]}"; do
    # RPATH, not RUNPATH: it counts for the libraries' own libraries too (ld.so(8))
    "$root/usr/bin/patchelf" --force-rpath --set-rpath "$libraries" "$root/$path"
    ln -sf "$root/$path" "$KUBE_HOME/bin/$(basename "$path")"
done
for path in "${PROGRAMS[@]}"; do
    missing=$(ldd "$root/$path" 2>/dev/null | grep "not found" || true)
    [ -z "$missing" ] || { say "$path: a library is in none of the packages:$missing"; exit 1; }
done
touch "$KUBE_HOME/built/packages-$list"
