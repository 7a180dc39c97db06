#!/bin/sh
# Builds the Python project in this directory into build/NAME.wasm, where NAME is the directory's name or $NAME.
# The tool chain and what requirements.txt asks for go to $TOOLS, by default .tools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=${NAME:-$(basename "$PWD")}
tools=${TOOLS:-.tools}
requirements=$here/requirements.txt

say() { echo "$*" >&2; }
fail() {
    say "error: $1"
    say "hint: $2"
    exit 1
}

[ -f main.py ] || fail "there is no main.py in $PWD" "build in the project's directory, where main.py defines the processor"

version=$(sed -n 's/^componentize-py==//p' "$requirements")
if [ "$(componentize-py --version 2>/dev/null)" = "componentize-py $version" ]; then
    componentize=componentize-py
else
    python=$(command -v python3) || fail "there is no python3" "install Python 3.10 or later"
    if ! cmp -s "$requirements" "$tools/installed.txt"; then
        say "installing componentize-py $version into $tools"
        "$python" -m venv "$tools/venv" || fail "python3 cannot make a virtual environment" "on Debian: apt install python3-venv"
        "$tools/venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2 ||
            fail "pip could not install what $requirements asks for" "is there a connection to the package registry?"
        cp "$requirements" "$tools/installed.txt"
    fi
    VIRTUAL_ENV=$(cd "$tools/venv" && pwd) # its packages can be imported
    export VIRTUAL_ENV
    componentize=$VIRTUAL_ENV/bin/componentize-py
fi

mkdir -p build
"$componentize" --quiet --wit-path ../../../wit --world processor componentize \
    --python-path . --python-path ../../../sdk/python --output "build/$name.wasm.new" main >&2 ||
    fail "componentize-py could not make a component of main.py" "does main.py have a function with @processor or @each_event?"
mv "build/$name.wasm.new" "build/$name.wasm"
say "built build/$name.wasm"
