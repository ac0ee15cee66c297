#!/usr/bin/env bash
# Every check, as named steps. Usage: tools/test.sh all | STEP...
# LEG=NAME runs one leg of the client tests alone.
# A step exits 0 when it passed, 77 when this machine cannot run it (it says why), anything else when it failed.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT"

STEPS=(fmt clippy deny doc wasm rust clients fuzz)
SKIPPED=77
LOGS=target/test-logs

# Nothing here runs twice on the same sources, and incremental state of debug builds is gigabytes.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

main() {
  if [ "${1:-all}" = all ]; then
    run_all
  else
    for step in "$@"; do
      "step_$step"
    done
  fi
}

# Runs every step even after a failure: one run tells everything that is wrong.
run_all() {
  local number=0 passed=0 failed=0 skipped=0 begun=$SECONDS status table=()
  mkdir -p "$LOGS"
  announce_vectors
  for step in "${STEPS[@]}"; do
    number=$((number + 1))
    printf '\n==> %d/%d %s: %s\n' "$number" "${#STEPS[@]}" "$step" "$(what "$step")"
    local start=$SECONDS
    status=0
    tools/test.sh "$step" 2>&1 | tee "$LOGS/$step.log" || status=$?
    local took
    took=$(clock $((SECONDS - start)))
    case $status in
      0) passed=$((passed + 1)); table+=("$(printf '%-8s passed   %s%s' "$step" "$took" "$(left_out "$step")")") ;;
      "$SKIPPED") skipped=$((skipped + 1)); table+=("$(printf '%-8s SKIPPED  %s  %s' "$step" "$took" "$(reason "$step")")") ;;
      *) failed=$((failed + 1)); table+=("$(printf '%-8s FAILED   %s  again: make test-%s' "$step" "$took" "$step")") ;;
    esac
    printf '<== %s\n' "${table[-1]}"
    [ "$status" -eq 0 ] || [ "$status" -eq "$SKIPPED" ] || failures+=("$step")
  done
  for step in "${failures[@]}"; do
    printf '\n--- %s: the end of %s\n' "$step" "$LOGS/$step.log"
    tail -n 30 "$LOGS/$step.log"
  done
  announce_vectors
  printf '\nsteps, %s in all:\n' "$(clock $((SECONDS - begun)))"
  printf '  %s\n' "${table[@]}"
  printf '%d passed, %d failed, %d skipped%s\n' "$passed" "$failed" "$skipped" "$(left_out rust)"
  [ "$failed" -eq 0 ]
}

failures=()

what() {
  case "$1" in
    fmt) echo 'formatting' ;;
    clippy) echo 'lints of every target, warnings denied' ;;
    deny) echo 'bans, licences and sources of every dependency' ;;
    doc) echo 'documentation, warnings denied' ;;
    wasm) echo 'the verifying crates compile for wasm32-unknown-unknown' ;;
    rust) echo 'all Rust tests' ;;
    clients) echo 'Python, JavaScript and Rust clients against a running service' ;;
    fuzz) echo 'every fuzz target for a few seconds' ;;
  esac
}

step_fmt() {
  cargo fmt --all --check
  cargo fmt --check --manifest-path fuzz/Cargo.toml
  cargo fmt --check --manifest-path tests/identity-clients/Cargo.toml
}

step_clippy() {
  tools/setup.sh packages
  cargo clippy --workspace --all-targets --locked -- -D warnings
}

step_deny() {
  tools/setup.sh cargo-deny
  local deny=$ASSAY_TOOLS/bin/cargo-deny
  "$deny" --locked check bans licenses sources
  # The database of advisories is a git repository outside the package registries.
  if timeout 60 "$deny" fetch db >/dev/null 2>&1; then
    "$deny" --locked check --disable-fetch advisories
  else
    loud 'advisories were not checked: their database cannot be reached from this machine'
  fi
}

step_doc() {
  tools/setup.sh packages
  RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
}

# `check` and not `build`: these crates are libraries, and there is nothing to link.
step_wasm() {
  local crates=(-p assay-json -p assay-evidence -p assay-verify -p assay-policy -p assay-appraisal -p assay-token)
  local check=(cargo check --lib --locked --target wasm32-unknown-unknown --target-dir target/wasm "${crates[@]}")
  tools/setup.sh wasm
  if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then
    "${check[@]}"
  else
    RUSTC=$ASSAY_TOOLS/wasm-rustc/rustc RUSTC_BOOTSTRAP=1 "${check[@]}" -Z build-std=std,panic_abort
  fi
}

step_rust() {
  tools/setup.sh packages
  announce_vectors
  cargo test --workspace --locked
}

step_clients() {
  tools/setup.sh packages clients
  if [ -z "${ASSAY_BIN:-}" ]; then
    # The whole workspace, so that features resolve as they did for the Rust tests and nothing is built twice.
    cargo build --workspace --bins --locked
    export ASSAY_BIN=$ROOT/target/debug/assay
  fi
  case ${LEG:-identity} in identity | az-snp-vtpm) build_identity_clients ;; esac
  ASSAY_NODE=$(node_program) ASSAY_NODE_MODULES=$(javascript_clients)/node_modules PYTHONDONTWRITEBYTECODE=1 \
    "$(python_clients)/bin/python" tests/clients/run.py ${LEG:+"$LEG"}
}

# Minutes once; then only what changed. Without it the leg that needs it is skipped, and the others are not.
build_identity_clients() {
  local status=0 folder
  tools/setup.sh identity-clients || status=$?
  [ "$status" -ne "$SKIPPED" ] || return 0
  [ "$status" -eq 0 ] || return "$status"
  folder=$(identity_clients)
  cargo build --quiet --locked --manifest-path tests/identity-clients/Cargo.toml --target-dir "$folder"
  # Another checkout may build its own into the same folder while the leg runs.
  mkdir -p target
  cp "$folder/debug/assay-identity-clients" target/identity-clients
  export ASSAY_IDENTITY_CLIENTS=$ROOT/target/identity-clients
  # Its TPM2 library is linked though no TPM is asked; where the system cannot have it, that leg alone is skipped.
  pkg-config --exists tss2-esys tss2-tctildr tss2-mu 2>/dev/null || return 0
  cargo build --quiet --locked --manifest-path tests/identity-clients/Cargo.toml --target-dir "$folder" \
    --bin assay-az-snp-vtpm --features az-snp-vtpm
  cp "$folder/debug/assay-az-snp-vtpm" target/az-snp-vtpm
  export ASSAY_AZ_SNP_VTPM=$ROOT/target/az-snp-vtpm
}

step_fuzz() {
  tools/setup.sh cargo-fuzz
  tools/fuzz.sh
}

announce_vectors() {
  [ -n "${ASSAY_VECTORS:-}" ] || loud 'ASSAY_VECTORS is not set and ../shared/vectors does not exist:' \
    'tests over real evidence are SKIPPED'
}

# What a step that passed did not do, for the table.
left_out() { # STEP
  case $1 in
    rust) [ -n "${ASSAY_VECTORS:-}" ] || printf '  tests over real evidence SKIPPED: no ASSAY_VECTORS' ;;
    clients)
      local legs
      legs=$(sed -n 's/^  \([a-z-]*\) *SKIPPED$/\1/p' "$LOGS/clients.log" | paste -sd' ')
      [ -z "$legs" ] || printf '  SKIPPED: %s' "$legs"
      ;;
  esac
}

reason() { # STEP: what its setup said
  sed -n 's/^!!! setup: cannot have [a-z]*: //p' "$LOGS/$1.log" | tail -n 1
}

clock() { # SECONDS
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

main "$@"
