#!/usr/bin/env bash
# Runs the tests of the kernels once for each instruction set: run.sh TESTS NAMES...
#
# TESTS is the built program with all tests. Instruction sets that this machine lacks are named and
# left out; those of AArch64 are tested in an emulator.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests=$1
shift

say() { printf 'test-isas: %s\n' "$*"; }

for isa in "$@"; do
  if output=$(ADZE_ISA=$isa "$tests" '[kernels]' 2>&1); then
    say "$isa: $(grep passed <<<"$output" | tail -n 1)"
  elif grep -q 'ADZE_ISA: this machine does not support' <<<"$output"; then
    say "$isa: left out, this machine does not have it"
  else
    printf '%s\n' "$output"
    say "$isa: failed"
    exit 1
  fi
done

dir=build/isas-aarch64
cmake -S tests/isas -B "$dir" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$PWD/tests/isas/aarch64.cmake"
cmake --build "$dir"
for isa in scalar neon neondot; do
  say "$isa on an emulated AArch64 processor"
  ADZE_ISA=$isa qemu-aarch64 -L /usr/aarch64-linux-gnu "$dir/kernel-tests" '[kernels]~"ADZE_ISA chooses*"'
done
