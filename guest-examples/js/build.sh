#!/bin/sh
# Builds the project in the current directory: build/NAME.wasm.
# NAME is the directory's name unless it is set; TOOLS may name a directory where projects share what npm installs.
set -eu

sdk=../../../sdk/js
wit=../../../wit
name=${NAME:-$(basename "$PWD")}

say() { printf '%s\n' "$*" >&2; }
command -v npm >/dev/null || {
  say "error: \`npm\` is not on the PATH"
  say "hint: install Node.js 20 or later"
  exit 1
}

# Where to install: here, or once for all projects that have the same lock.
home=${TOOLS:-.}
if ! cmp -s package-lock.json "$home/node_modules/.installed"; then
  say "installing what package-lock.json lists"
  if [ "$home" != . ]; then
    mkdir -p "$home"
    cp package.json package-lock.json "$home"
  fi
  (cd "$home" && npm ci --no-audit --no-fund --loglevel=error >&2)
  cp package-lock.json "$home/node_modules/.installed"
fi
if [ "$home" != . ]; then
  home=$(cd "$home" && pwd)
  ln -sfn "$(cd "$sdk" && pwd)" "$home/node_modules/tidemill"
  if [ -L node_modules ] || [ ! -e node_modules ]; then ln -sfn "$home/node_modules" node_modules; fi
fi

exec node "$sdk/build.js" "$wit" "build/$name.wasm"
