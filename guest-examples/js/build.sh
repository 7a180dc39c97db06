#!/bin/sh
# Builds the project in the current directory: build/NAME.wasm. NAME is the directory's name unless it is set.
# What package-lock.json lists is installed here, or into $TOOLS for all projects that have the same lock.
set -eu

name=${NAME:-$(basename "$PWD")}
tools=${TOOLS:-.}
sdk=../../../sdk/js
wit=../../../wit

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $1"
    say "hint: $2"
    exit 1
}

[ -f package-lock.json ] || fail "there is no package-lock.json here" "build in the project's directory"
command -v npm >/dev/null || fail "\`npm\` is not on the PATH" "install Node.js 20 or later"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
    fail "Node.js $(node --version) is too old" "install Node.js 20 or later"

if ! cmp -s package-lock.json "$tools/node_modules/.installed"; then
    say "installing what package-lock.json lists"
    if [ "$tools" != . ]; then
        mkdir -p "$tools"
        cp package.json package-lock.json "$tools"
    fi
    (cd "$tools" && npm ci --no-audit --no-fund --loglevel=error >&2) ||
        fail "npm could not install what package-lock.json lists" "is there a connection to npm's registry?"
    cp package-lock.json "$tools/node_modules/.installed"
fi
if [ "$tools" != . ]; then
    tools=$(cd "$tools" && pwd)
    ln -sfn "$(cd "$sdk" && pwd)" "$tools/node_modules/tidemill"
    if [ -L node_modules ] || [ ! -e node_modules ]; then ln -sfn "$tools/node_modules" node_modules; fi
fi

node "$sdk/build.js" "$wit" "build/$name.wasm"
say "build/$name.wasm: $(($(wc -c <"build/$name.wasm"))) bytes"
