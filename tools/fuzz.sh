#!/usr/bin/env bash
# Builds every fuzz target once and runs each for a few seconds over its corpus.
# Usage: tools/fuzz.sh [TARGET]...        ASSAY_FUZZ_SECONDS: how long each runs (5)
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh"
cd "$ROOT"

export PATH=$ASSAY_TOOLS/bin:$PATH
# Coverage instrumentation is an unstable option of the stable compiler.
export RUSTC_BOOTSTRAP=1
SECONDS_EACH=${ASSAY_FUZZ_SECONDS:-5}

main() {
  local targets=("$@") failed=()
  [ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
  [ ${#targets[@]} -gt 0 ] || { echo 'fuzz: there are no targets' >&2; exit 1; }
  every_file_is_a_target
  cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null || {
    echo 'fuzz: if fuzz/Cargo.lock is behind, bring it up: cargo metadata --manifest-path fuzz/Cargo.toml >/dev/null' >&2
    exit 1
  }
  # No sanitizer: the crates forbid unsafe code, and what is looked for are panics, overflows, hangs and memory without bound.
  cargo fuzz build --sanitizer none --codegen-units 16

  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  for target in "${targets[@]}"; do
    smoke "$target" || failed+=("$target")
  done
  printf '\nfuzz: %d passed, %d failed\n' $((${#targets[@]} - ${#failed[@]})) ${#failed[@]}
  [ ${#failed[@]} -eq 0 ] || { echo "fuzz: failed: ${failed[*]}" >&2; exit 1; }
}

# A file without its [[bin]] would never run, and nobody would notice.
every_file_is_a_target() {
  local file listed
  listed=$(cargo fuzz list)
  for file in fuzz/fuzz_targets/*.rs; do
    grep -qx "$(basename "$file" .rs)" <<<"$listed" || { echo "fuzz: $file has no [[bin]] in fuzz/Cargo.toml" >&2; exit 1; }
  done
}

# The corpus is copied: what a short run adds to it is not worth keeping, and the checkout must stay clean.
smoke() { # TARGET
  local target=$1
  local binary=fuzz/target/x86_64-unknown-linux-gnu/release/$target
  mkdir -p "$scratch/$target" fuzz/artifacts/"$target"
  if [ -d "fuzz/corpus/$target" ]; then
    cp -r "fuzz/corpus/$target/." "$scratch/$target/"
  else
    echo "fuzz: $target has no corpus" >&2
  fi
  touch "$scratch/$target.begun"
  printf 'fuzz: %-16s ' "$target"
  if "$binary" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="fuzz/artifacts/$target/" "$scratch/$target" >"$scratch/$target.log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: */executions: /p' "$scratch/$target.log"
  else
    echo 'FAILED'
    grep -A 3 'panicked at' "$scratch/$target.log" || tail -n 40 "$scratch/$target.log"
    echo "fuzz: again with: $binary $(find "fuzz/artifacts/$target" -type f -newer "$scratch/$target.begun" | head -n 1)"
    return 1
  fi
}

main "$@"
