#!/usr/bin/env bash
# rust-wasm-toolchain.sh - make `cargo build --target wasm32-unknown-unknown` work.
#
#   vars=$(./rust-wasm-toolchain.sh) && eval "$vars"   # stdout: `export NAME=VALUE` lines; stderr: progress
#   (not eval "$(...)": that loses the exit code)
#   cargo build --release --target wasm32-unknown-unknown
#
# Order: 1. a target that rustup already has    -> nothing to export
#        2. `rustup target add`                 -> nothing to export   (RWT_NO_RUSTUP_ADD=1 skips this step)
#        3. Debian: rustc-web + rust-web-src unpacked into a private prefix, std built once
#           -> export RUSTC=PREFIX/bin/rustc and a separate CARGO_TARGET_DIR is advised (it is another rustc)
# Idempotent: a finished prefix is only checked. Nothing is installed system-wide and ~/.rustup is not written in step 3.
# Env: RWT_PREFIX, RWT_NO_RUSTUP_ADD=1, RWT_FORCE_DEBIAN=1 (skip steps 1 and 2), RWT_JOBS (default 2).
set -euo pipefail
TARGET=wasm32-unknown-unknown
JOBS=${RWT_JOBS:-2}
PREFIX=${RWT_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-wasm-toolchain}
say() { printf 'rust-wasm-toolchain: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

if [ -z "${RWT_FORCE_DEBIAN:-}" ] && command -v rustup >/dev/null; then
  # no `| grep -q` anywhere here: with pipefail, an early-exiting reader makes the writer fail by SIGPIPE, now and then
  HAVE=$(rustup target list --installed 2>/dev/null || true)
  case $'\n'$HAVE$'\n' in *$'\n'$TARGET$'\n'*) say "rustup has $TARGET already"; echo "export RWT_KIND=rustup"; exit 0;; esac
  if [ -z "${RWT_NO_RUSTUP_ADD:-}" ]; then
    if timeout 180 rustup target add "$TARGET" >&2; then
      say "rustup added $TARGET"; echo "export RWT_KIND=rustup"; exit 0
    fi
    say "rustup target add failed (no route to the Rust distribution server?); trying Debian"
  fi
fi

emit() { echo "export RWT_KIND=debian"; echo "export RUSTC=$PREFIX/bin/rustc"; }
if [ -f "$PREFIX/.ok" ]; then say "using $PREFIX ($(cat "$PREFIX/.ok"))"; emit; exit 0; fi

command -v apt-get >/dev/null && command -v dpkg >/dev/null || die "no rustup target and no apt: install one of them"
[ "$(dpkg --print-architecture)" = amd64 ] || die "the Debian fallback was only tried on amd64"
command -v cargo >/dev/null || die "cargo is needed (the rustup one will do)"
command -v cc >/dev/null || die "cc is needed to link build scripts: apt-get install gcc libc6-dev"

mkdir -p "$PREFIX"
exec 9>"$PREFIX/.lock"; flock 9                       # two builds at once: the second waits
if [ -f "$PREFIX/.ok" ]; then emit; exit 0; fi
rm -rf "$PREFIX/root" "$PREFIX/bin" "$PREFIX/work"; mkdir -p "$PREFIX/root" "$PREFIX/bin" "$PREFIX/work/debs"

cand() { local p; p=$(apt-cache policy "$1" 2>/dev/null || true); p=$(sed -n 's/^ *Candidate: //p' <<<"$p"); [ "$p" = "(none)" ] || printf %s "$p"; }
UPDATED=
update() { [ -z "$UPDATED" ] || return 1; UPDATED=1; say "apt-get update"; apt-get update -qq >&2; }
# Refresh first: an image's own list can name an older rustc-web than the archive has, and the guests want the newer.
update || say "apt-get update failed (root?); going on with the lists that are here"
V=$(cand rustc-web)
[ -n "$V" ] || die "no rustc-web in the apt sources (bookworm-security or bookworm main)"
fetch() { ( cd "$PREFIX/work/debs" && rm -f ./*.deb && apt-get download -qq -o APT::Sandbox::User=root "$@" >&2 ); }
unpack() { # NAME[=VERSION]...: download and unpack without installing
  fetch "$@" || return 1
  for d in "$PREFIX/work/debs/"*.deb; do dpkg -x "$d" "$PREFIX/root" || return 1; rm "$d"; done
}
set_v() { V=$1; REL=${V%%+*}; MM=${REL%.*}; say "Debian rustc-web $V"; }
set_v "$V"
main_pkgs() { unpack "rustc-web=$V" "libstd-rust-web-$MM=$V" "libstd-rust-web-dev=$V" "rust-web-src=$V"; }
if ! main_pkgs; then                                  # an old list names a version that the mirror no longer has
  update || die "apt-get download failed"; set_v "$(cand rustc-web)"; main_pkgs || die "apt-get download failed"
fi
LIB=$PREFIX/root/usr/lib/x86_64-linux-gnu
missing() { LD_LIBRARY_PATH=$LIB ldd "$PREFIX/root/usr/bin/rustc" "$LIB"/librustc_driver-*.so | sed -n 's/^[[:space:]]*\(\S*\) => not found/\1/p' | sort -u; }
SHOW=$(apt-cache show "libstd-rust-web-$MM=$V")
[[ $SHOW =~ Depends:[^$'\n']*libllvm([0-9]+) ]] || die "libstd-rust-web-$MM names no libllvm"
N=${BASH_REMATCH[1]}
unpack "libllvm$N" "lld-$N" || die "libllvm$N or lld-$N not found"
for so in $(missing); do                              # what a bare image lacks of libllvm's own dependencies
  case $so in
    libz3.so.4) unpack libz3-4;; libedit.so.2) unpack libedit2;; libxml2.so.2) unpack libxml2;; libbsd.so.0) unpack libbsd0;;
    libffi.so.8) unpack libffi8;; libicuuc.so.72|libicudata.so.72) unpack libicu72;; libmd.so.0) unpack libmd0;;
  esac
done
[ -z "$(missing)" ] || die "shared libraries missing: $(missing | tr '\n' ' ')"

cat > "$PREFIX/bin/rustc" <<W
#!/bin/sh
LD_LIBRARY_PATH="$LIB\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$PREFIX/root/usr/bin/rustc" "\$@"
W
chmod +x "$PREFIX/bin/rustc"
"$PREFIX/bin/rustc" -V >&2

# the linker, as rust-lld in rustc's own sysroot: Debian's lld of the same LLVM (a rustup rust-lld would break with a rustup update)
SYSROOT=$("$PREFIX/bin/rustc" --print sysroot)
LLDDIR=$SYSROOT/lib/rustlib/x86_64-unknown-linux-gnu/bin; mkdir -p "$LLDDIR"
cat > "$LLDDIR/rust-lld" <<W
#!/bin/sh
[ "\$1" = -flavor ] && shift 2
LD_LIBRARY_PATH="$LIB" exec "$PREFIX/root/usr/lib/llvm-$N/bin/wasm-ld" "\$@"
W
chmod +x "$LLDDIR/rust-lld"; "$LLDDIR/rust-lld" --version >&2

# std for the target, built once, put where rustc looks for it
# (a panic names its source file: the remaps keep this machine's folders out of the guests)
say "building std for $TARGET (once)"
W=$PREFIX/work/std; mkdir -p "$W/src"
printf '[package]\nname="mkstd"\nversion="0.0.0"\nedition="2021"\n[workspace]\n[lib]\npath="src/lib.rs"\n' > "$W/Cargo.toml"; echo > "$W/src/lib.rs"
REMAP="--remap-path-prefix=$PREFIX/root/usr/lib/rustlib/src/rust=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/crates"
for d in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do [ ! -d "$d" ] || REMAP="$REMAP --remap-path-prefix=$d=/crates"; done
( cd "$W"
  env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u CARGO_ENCODED_RUSTFLAGS -u RUSTUP_TOOLCHAIN \
    RUSTC="$PREFIX/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=0 \
    RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked $REMAP" \
    cargo build -q -Zbuild-std=std,panic_abort --release --target $TARGET -j "$JOBS" >&2 )
DEST=$SYSROOT/lib/rustlib/$TARGET/lib; mkdir -p "$DEST"
for f in "$W/target/$TARGET/release/deps/"lib*.rlib; do case $f in */libmkstd-*) ;; *) cp "$f" "$DEST/";; esac; done
rm -rf "$PREFIX/work" "$PREFIX/root/usr/src" "$PREFIX/root/usr/share" "$PREFIX/root/usr/lib/rustlib/src"

# proof: a program that uses std and its allocator links, without any -Z flag
T=$PREFIX/smoke; mkdir -p "$T"
echo '#[no_mangle] pub extern "C" fn f(n: usize) -> usize { (0..n).map(|i| format!("{i}")).collect::<std::collections::HashSet<_>>().len() }' > "$T/s.rs"
"$PREFIX/bin/rustc" --edition 2021 --crate-type cdylib --target $TARGET -O -Cpanic=abort -Clto=fat "$T/s.rs" -o "$T/s.wasm" >&2
[ "$(head -c4 "$T/s.wasm" | od -An -c | tr -d ' \n')" = '\0asm' ] || die "the smoke test gave no wasm"
rm -rf "$T"
echo "rustc-web $V" > "$PREFIX/.ok"
say "ready: $PREFIX, $(du -sm "$PREFIX" | cut -f1) MiB"
emit
