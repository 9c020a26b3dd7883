#!/bin/sh
# Runs a script with the Bun version that package.json pins. Installs what is missing into this project, and nothing
# anywhere else: Bun from the npm registry, then the packages of bun.lock.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
version=$(sed -n 's/^ *"bun": "\([0-9][^"]*\)".*/\1/p' "$root/package.json")

is_right() {
  [ -x "$1" ] && [ "$("$1" --version 2>/dev/null)" = "$version" ]
}

bun=
for candidate in "$(command -v bun || true)" "$root/node_modules/bun/bin/bun.exe" \
  "$root/.data/bun/node_modules/bun/bin/bun.exe"; do
  if [ -n "$candidate" ] && is_right "$candidate"; then
    bun=$candidate
    break
  fi
done

if [ -z "$bun" ]; then
  command -v npm >/dev/null || {
    echo "Bun $version is needed, and there is no npm to install it with: install Node.js, or Bun from https://bun.sh" >&2
    exit 1
  }
  echo "Installing Bun $version from the npm registry into .data/bun" >&2
  mkdir -p "$root/.data/bun"
  # An install of its own: a package.json there keeps npm from looking at the workspace above it.
  echo '{ "private": true }' >"$root/.data/bun/package.json"
  npm install --prefix "$root/.data/bun" --no-audit --no-fund --no-save --loglevel=error "bun@$version" >&2
  bun="$root/.data/bun/node_modules/bun/bin/bun.exe"
  # npm may hold back the install script that puts the binary in its place; it is harmless to run it again.
  is_right "$bun" || (cd "$root/.data/bun/node_modules/bun" && node install.js >&2)
  is_right "$bun" || {
    echo "Bun $version was installed into .data/bun but does not run on this machine ($(uname -sm))." >&2
    exit 1
  }
fi

# The mark is made after an install that succeeded: half of one is done again.
mark="$root/node_modules/.installed"
if [ ! -e "$mark" ] || [ "$root/bun.lock" -nt "$mark" ] || [ "$root/package.json" -nt "$mark" ]; then
  (cd "$root" && "$bun" install --frozen-lockfile >&2)
  touch "$mark"
fi

# So that `bun` means this one for everything that is started from here.
PATH="$(dirname "$bun"):$root/node_modules/.bin:$PATH"
export PATH
cd "$root"
exec "$bun" "$@"
