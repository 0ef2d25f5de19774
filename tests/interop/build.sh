#!/usr/bin/env bash
# Builds the gRPC clients and the collector of this folder into OUT: build.sh OUT. Needs go (1.26), javac (17) and mvn, and npm.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
cp -R "$here"/{echo.proto,go,java,node,collector} "$1"
cd "$1"
(cd go && CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -ldflags "-s -w" -o client .)
(cd collector && CGO_ENABLED=0 GOTOOLCHAIN=local go build -trimpath -ldflags "-s -w" -o collector .)
(cd java && mvn -q -B dependency:copy-dependencies && javac -d target/classes -cp "target/dependency/*" Client.java)
(cd node && npm ci --silent --no-audit --no-fund)
