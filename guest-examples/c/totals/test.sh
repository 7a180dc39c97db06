#!/bin/sh
# Compiles the tests for this machine, with checks of memory and of undefined behaviour where the compiler has them, and runs them.
set -eu
cd "$(dirname "$0")"
sdk=../../../sdk/c
cc=${CC:-cc}
mkdir -p build/test

# The JSON reader is large and never changes: it is compiled once.
[ build/test/yyjson.o -nt "$sdk/yyjson/yyjson.c" ] || "$cc" -c -O1 -o build/test/yyjson.o "$sdk/yyjson/yyjson.c"

checks='-fsanitize=address,undefined -fno-sanitize-recover=all'
echo 'int main(void) { return 0; }' >build/test/empty.c
# shellcheck disable=SC2086 # the checks are two words
"$cc" $checks build/test/empty.c -o build/test/empty 2>/dev/null && ./build/test/empty || checks=

# shellcheck disable=SC2086
"$cc" -std=gnu11 -g -Wall -Wextra -Werror $checks -I "$sdk" -I "$sdk/yyjson" -o build/test/run \
    totals.c totals_test.c "$sdk/tidemill.c" "$sdk/tidemill_text.c" "$sdk/tidemill_json.c" "$sdk/tidemill_test.c" \
    build/test/yyjson.o -lm
./build/test/run
