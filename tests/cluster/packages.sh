#!/usr/bin/env bash
# Debian's part of get.sh: unpacked into $KUBE_HOME/root, with one wrapper per program in $KUBE_HOME/bin that finds its
# libraries there. Nothing is installed into the machine but what the wrappers cannot do without: ip and openssl.
set -euo pipefail
PACKAGES=(
    containerd runc containernetworking-plugins                                             # what runs pods
    nftables libnftables1 libedit2 libbsd0 libjansson4 libmnl0 libnftnl11 libxtables12      # kube-proxy's nft
    buildah golang-github-containers-common libgpgme11 libassuan0 libdevmapper1.02.1 libseccomp2 libudev1  # images
    debootstrap wget libpsl5 libidn2-0 libunistring2 libpcre2-8-0                           # their base
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

for path in "${PROGRAMS[@]}"; do
    cat > "$KUBE_HOME/bin/$(basename "$path")" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
exec $root/$path "\$@"
WRAPPER
    chmod +x "$KUBE_HOME/bin/$(basename "$path")"
done
touch "$KUBE_HOME/built/packages-$list"
