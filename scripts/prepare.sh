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
