# shellcheck shell=bash disable=SC2034 # the scripts that source this use what it sets
# Sourced by the scripts beside it: where things are, and which versions of the tools are used.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Tools and clients outlive a checkout: they take minutes to build and do not depend on it.
export ASSAY_TOOLS=${ASSAY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/assay-tools}

CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2
# What the Azure core libraries for JavaScript ask for. Distributions with an older one get it as an npm package.
NODE_MAJOR=20
NODE_PACKAGE=node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
NODE_PACKAGE_VERSION=20.8.0

# Real evidence lies beside the checkout on the machines that have it.
if [ -z "${ASSAY_VECTORS:-}" ] && [ -d "$ROOT/../shared/vectors" ]; then
  ASSAY_VECTORS=$(cd "$ROOT/../shared/vectors" && pwd)
fi
[ -z "${ASSAY_VECTORS:-}" ] || export ASSAY_VECTORS

# Folders of clients are named after the versions pinned for them, so that a new pin is a new folder.
python_clients() {
  echo "$ASSAY_TOOLS/clients-python-$(fingerprint "$ROOT/tests/clients/requirements.txt")"
}

javascript_clients() {
  echo "$ASSAY_TOOLS/clients-javascript-$(fingerprint "$ROOT/tests/clients/package-lock.json")"
}

identity_clients() {
  echo "$ASSAY_TOOLS/clients-rust-$(fingerprint "$ROOT/tests/identity-clients/Cargo.lock")"
}

fingerprint() { # FILE
  sha256sum "$1" | cut -c1-16
}

node_program() {
  local ours=$ASSAY_TOOLS/node/node_modules/$NODE_PACKAGE/bin/node
  if [ -x "$ours" ]; then echo "$ours"; else command -v node; fi
}

# Still seen in a page of compiler output.
loud() { # LINES...
  printf '\n' >&2
  printf '!!! %s\n' "$@" >&2
  printf '\n' >&2
}
