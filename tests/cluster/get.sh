#!/usr/bin/env bash
# A real API server for the tests: kube-apiserver, kube-controller-manager, kubectl and etcd, built from the Go module
# proxy into $KUBE_HOME. Minutes the first time, seconds after that. Needs go 1.24 or newer.
set -euo pipefail
: "${KUBE_HOME:=${XDG_CACHE_HOME:-$HOME/.cache}/nodeproxy/kube}"
KUBE=1.34.1
ETCD=3.6.5  # Debian's 3.4 breaks the watches of a current API server: it has no RequestWatchProgress
export CGO_ENABLED=0 GOFLAGS=-trimpath
mkdir -p "$KUBE_HOME/bin" "$KUBE_HOME/mod"
say() { echo "[$(date +%T)] $*" >&2; }

module() {  # an empty module of our own, so that its replace lines are ours to write
    rm -rf "$KUBE_HOME/mod/$1"
    mkdir -p "$KUBE_HOME/mod/$1"
    cd "$KUBE_HOME/mod/$1"
    go mod init "example.org/$1" 2>/dev/null
}

build() {  # build NAME PACKAGE FLAGS
    [ -x "$KUBE_HOME/bin/$1" ] && return
    say "  $1"
    go build -mod=mod -ldflags "-s -w ${3:-}" -o "$KUBE_HOME/bin/$1" "$2"
}

if ! [ -x "$KUBE_HOME/bin/kube-apiserver" ] || ! [ -x "$KUBE_HOME/bin/kube-controller-manager" ] || ! [ -x "$KUBE_HOME/bin/kubectl" ]; then
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
    printf '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n' > tools.go
    go mod tidy > tidy.log 2>&1 || go get "k8s.io/kubernetes@v$KUBE"
    version="-X k8s.io/component-base/version.gitVersion=v$KUBE"
    version="$version -X k8s.io/component-base/version.gitMajor=${KUBE%%.*}"
    version="$version -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<< "$KUBE")"
    for name in kube-apiserver kube-controller-manager kubectl; do
        build "$name" "k8s.io/kubernetes/cmd/$name" "$version"
    done
fi
if ! [ -x "$KUBE_HOME/bin/etcd" ]; then
    say "etcd $ETCD"
    module etcd
    printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' > main.go
    go get "go.etcd.io/etcd/server/v3@v$ETCD"
    go mod tidy > tidy.log 2>&1
    build etcd .
fi
say "ready in $KUBE_HOME/bin"
