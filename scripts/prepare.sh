# Sourced by the scripts beside it: brings a fresh clone to the point where `node --import tsx` runs.
# Leaves the caller in the root of the repository.

say () { printf '\n== %s\n' "$*" >&2; }
stop () { printf 'error: %s\n' "$*" >&2; exit 2; }

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

command -v node >/dev/null 2>&1 || stop 'Node.js is not installed; version 20.17 or later is needed'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' ||
  stop "Node.js $(node --version) is too old; version 20.17 or later is needed"

# Installs what package-lock.json says, when node_modules is missing or older than the lock file.
install_packages () {
  if [ node_modules/.package-lock.json -nt package-lock.json ]; then
    say 'packages: installed already'
    return
  fi
  say 'packages: installing what package-lock.json lists (npm ci; about half a minute)'
  npm ci --loglevel=error >&2 || stop 'npm ci failed, see above'
  touch node_modules/.package-lock.json
}

# As old as the sources that dist/ was last compiled from. Gone with the packages, the compiler among them.
built=node_modules/.ledgermq-built

# Compiles lib/ to dist/.
build () {
  rm -f "$built"
  touch "$built.begun"
  node_modules/.bin/tsc -p tsconfig.build.json >&2 || return 1
  mv "$built.begun" "$built"
}

# The same, unless nothing has changed since.
build_unless_built () {
  if [ -e "$built" ] && [ -e dist/cli/main.js ] && [ -z "$(find lib tsconfig.json tsconfig.build.json -newer "$built" -print | head -n 1)" ]; then
    say 'build: dist/ is up to date'
    return
  fi
  say 'build: compiling lib/ to dist/'
  build || stop 'the build failed, see above'
}
