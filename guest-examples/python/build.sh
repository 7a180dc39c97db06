#!/bin/sh
# Builds the project in the current directory: build/NAME.wasm. NAME is the directory's name unless it is set.
# componentize-py of the version in requirements.txt is taken from PATH, or else installed with all that the file asks for
# into ${TOOLS:-.tools}.
set -eu

name=${NAME:-$(basename "$PWD")}
tools=${TOOLS:-.tools}
requirements=$(dirname "$0")/requirements.txt

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "error: $1"
    say "hint: $2"
    exit 1
}

[ -f main.py ] || fail "there is no main.py here" "build in the project's directory, where main.py defines the processor"

version=$(sed -n 's/^componentize-py==//p' "$requirements")
if [ "$(componentize-py --version 2>/dev/null)" = "componentize-py $version" ]; then
    componentize=componentize-py
else
    if ! cmp -s "$requirements" "$tools/installed.txt"; then
        command -v python3 >/dev/null || fail "\`python3\` is not on the PATH" "install Python 3.10 or later"
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
            fail "$(python3 --version) is too old" "install Python 3.10 or later"
        say "installing componentize-py $version into $tools"
        python3 -m venv "$tools/venv" >&2 || fail "python3 cannot make a virtual environment" "on Debian: apt install python3-venv"
        "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2 ||
            fail "pip could not install what requirements.txt asks for" "is there a connection to PyPI?"
        cp "$requirements" "$tools/installed.txt"
    fi
    VIRTUAL_ENV=$(cd "$tools/venv" && pwd) # its packages can be imported
    export VIRTUAL_ENV
    componentize=$VIRTUAL_ENV/bin/componentize-py
fi

mkdir -p build
say "building main.py"
# Its own frames would bury what Python says.
RUST_BACKTRACE=0 "$componentize" --quiet --wit-path ../../../wit --world bulk-processor componentize \
    --python-path . --python-path ../../../sdk/python --output "build/$name.wasm.new" main >&2 ||
    fail "$name was not built" "what Python says stands above; main.py needs a function with @processor or @each_event"
mv "build/$name.wasm.new" "build/$name.wasm"
say "build/$name.wasm: $(($(wc -c <"build/$name.wasm"))) bytes"
