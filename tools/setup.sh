#!/usr/bin/env bash
# Installs what the checks need: packages by apt-get where they are missing, everything else into one cached folder.
# Usage: tools/setup.sh [packages|cargo-deny|cargo-fuzz|wasm|clients|identity-clients|all]...
# Exit 77: this machine cannot have that part, and the message says why.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh"

main() {
  if [ "${1:-all}" = all ]; then set -- packages cargo-deny cargo-fuzz clients identity-clients wasm; fi
  mkdir -p "$ASSAY_TOOLS"
  # Two runs on one machine share the folder: the second waits, then finds everything in place.
  exec 9>"$ASSAY_TOOLS/.lock"
  if ! flock -n 9; then
    echo "setup: waiting for another run that installs into $ASSAY_TOOLS"
    flock 9
  fi
  for part in "$@"; do
    case "$part" in
      packages) c_compiler; openssl_headers ;;
      cargo-deny) cargo_tool cargo-deny "$CARGO_DENY_VERSION" ;;
      cargo-fuzz) c_compiler; cargo_tool cargo-fuzz "$CARGO_FUZZ_VERSION" ;;
      wasm) c_compiler; wasm_compiler ;;
      clients) python_client_packages; javascript_client_packages ;;
      identity-clients) c_compiler; openssl_headers; mbedtls_tools; tpm2_headers; fetch_identity_clients ;;
      *) echo "setup: unknown part \`$part\`" >&2; exit 2 ;;
    esac
  done
}

# The cryptography and SQLite are C, the fuzzer's engine is C++.
c_compiler() {
  local missing=()
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v g++ >/dev/null || missing+=(g++)
  apt_install "${missing[@]}"
}

# Nothing that is shipped links OpenSSL: one of the peers that the benchmarks compare with does.
openssl_headers() {
  local missing=()
  command -v pkg-config >/dev/null || missing+=(pkg-config)
  pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
  apt_install "${missing[@]}"
}

cargo_tool() { # NAME VERSION
  local name=$1 version=$2
  if [ "$("$ASSAY_TOOLS/bin/$name" --version 2>/dev/null)" = "$name $version" ]; then
    return
  fi
  echo "setup: building $name $version into $ASSAY_TOOLS (once)"
  # These run for seconds: a quick build is worth more than a fast program.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 \
    CARGO_PROFILE_RELEASE_DEBUG=false \
    cargo install --quiet --locked --force --root "$ASSAY_TOOLS" --version "$version" "$name"
}

# The standard library for wasm32 comes with rustup where that is to be had. Elsewhere Debian's own compiler builds it from
# Debian's source package; both are unpacked beside the other tools, so nothing on the machine changes.
wasm_compiler() {
  if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then
    return
  fi
  local folder=$ASSAY_TOOLS/wasm-rustc
  if [ -f "$folder/.complete" ] && at_least "$("$folder/rustc" --version | cut -d' ' -f2)" "$(rust_version)"; then
    return
  fi
  if ! command -v apt-get >/dev/null; then
    cannot_have wasm 'no wasm32 target is installed (rustup target add wasm32-unknown-unknown), and there is no apt-get'
  fi
  apt_lists
  local version
  version=$(apt-cache policy rustc-web | sed -n 's/^ *Candidate: //p')
  at_least "${version:-0}" "$(rust_version)" || cannot_have wasm \
    "no wasm32 target is installed, and Debian's rustc-web is \`${version:-absent}\`, older than $(rust_version)"
  unpack_wasm_compiler "$folder"
}

unpack_wasm_compiler() { # FOLDER
  local folder=$1 package
  rm -rf "$folder"
  mkdir -p "$folder/debs"
  echo "setup: unpacking Debian's Rust compiler and library source into $folder (once)"
  local as_root=()
  # apt's own download user may not write into a folder of root's.
  [ "$(id -u)" -ne 0 ] || as_root=(-o APT::Sandbox::User=root)
  # shellcheck disable=SC2046 # one package name per word
  (cd "$folder/debs" && apt-get "${as_root[@]}" -qq download $(wasm_packages))
  for package in "$folder"/debs/*.deb; do
    case "$package" in
      # Of the source, only the library is wanted: a twentieth of the package.
      */rust-web-src_*) dpkg-deb --fsys-tarfile "$package" |
        tar -x -C "$folder" --wildcards './usr/src/*/library/*' './usr/lib/rustlib/src/*' ;;
      *) dpkg-deb -x "$package" "$folder" ;;
    esac
  done
  rm -rf "$folder/debs"
  cat >"$folder/rustc" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$here"/usr/lib/*-linux-gnu) exec "$here/usr/bin/rustc" "$@"
WRAPPER
  chmod +x "$folder/rustc"
  "$folder/rustc" --version
  touch "$folder/.complete"
}

# The compiler, its library and source, and of what they depend on all that the machine does not have.
wasm_packages() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    rustc-web rust-web-src | grep '^[a-z]' | sed 's/:.*//' | sort -u | while read -r package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

python_client_packages() {
  local folder missing=()
  folder=$(python_clients)
  [ ! -f "$folder/.complete" ] || return 0
  command -v python3 >/dev/null || missing+=(python3)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  apt_install "${missing[@]}"
  echo "setup: Python clients into $folder (once)"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    -r "$ROOT/tests/clients/requirements.txt"
  "$folder/bin/python" -m pip --disable-pip-version-check check
  touch "$folder/.complete"
}

javascript_client_packages() {
  local folder missing=()
  folder=$(javascript_clients)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  apt_install "${missing[@]}"
  newer_node
  [ ! -f "$folder/.complete" ] || return 0
  echo "setup: JavaScript clients into $folder (once)"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$ROOT/tests/clients/package.json" "$ROOT/tests/clients/package-lock.json" "$ROOT/tests/clients/.npmrc" "$folder/"
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel error)
  touch "$folder/.complete"
}

# One of the clients brings Mbed TLS: it is built by cmake, and libclang reads its headers.
mbedtls_tools() {
  local missing=()
  command -v cmake >/dev/null || missing+=(cmake)
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang.so' >/dev/null || missing+=(libclang-dev)
  apt_install "${missing[@]}"
}

# `az-snp-vtpm` links the TPM2 software stack. Without the package its leg is skipped, and the others are not.
tpm2_headers() {
  local missing=()
  pkg-config --exists tss2-esys tss2-tctildr tss2-mu 2>/dev/null || missing+=(libtss2-dev)
  (apt_install "${missing[@]}") || echo 'setup: without libtss2-dev the leg az-snp-vtpm is skipped' >&2
}

fetch_identity_clients() {
  CARGO_NET_RETRY=1 timeout 300 cargo fetch --quiet --locked --manifest-path "$ROOT/tests/identity-clients/Cargo.toml" ||
    cannot_have identity-clients 'crates.io cannot be reached, and their sources are not all here'
}

newer_node() {
  local major
  major=$("$(node_program)" -p 'process.versions.node.split(".")[0]')
  if [ "$major" -ge "$NODE_MAJOR" ]; then
    return
  fi
  echo "setup: node $major is older than $NODE_MAJOR; installing $NODE_PACKAGE_VERSION into $ASSAY_TOOLS/node (once)"
  npm install --prefix "$ASSAY_TOOLS/node" --no-audit --no-fund --loglevel error "$NODE_PACKAGE@$NODE_PACKAGE_VERSION"
}

apt_install() { # PACKAGES...
  [ $# -gt 0 ] || return 0
  command -v apt-get >/dev/null || { echo "setup: please install: $*" >&2; exit 1; }
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || { echo "setup: please run: sudo apt-get install $*" >&2; exit 1; }
    root=(sudo -n)
  fi
  echo "setup: apt-get install $*"
  "${root[@]}" apt-get -qq update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" >/dev/null
}

# Package lists are empty on a fresh image; only root can fetch them.
apt_lists() {
  apt-cache show rustc-web >/dev/null 2>&1 && return
  if [ "$(id -u)" -eq 0 ]; then
    apt-get -qq update
  elif sudo -n true 2>/dev/null; then
    sudo -n apt-get -qq update
  fi
}

rust_version() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

at_least() { # VERSION MINIMUM
  [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

cannot_have() { # PART REASON
  loud "setup: cannot have $1: $2"
  exit 77
}

main "$@"
