#!/usr/bin/env bash
# rules.sh SOURCE_DIR: the rules of the house that a compiler does not check.
set -uo pipefail
cd "$1" || exit 1

readonly rooms=(kernels core nn fx ao)
readonly public=("${rooms[@]/%//include}")
failed=0

# rule TEXT: fails if there is a line on standard input.
rule() {
  local found
  found=$(cat)
  if [[ -n $found ]]; then
    printf "%s:\n%s\n\n" "$1" "${found}"
    failed=1
  fi
}

# code PATH...: the C++ files in those places that exist.
code() { find "$@" \( -name '*.h' -o -name '*.cpp' \) 2>/dev/null | sort; }

# lines REGEX: the matching lines of the files named on standard input.
lines() { xargs --no-run-if-empty grep -HnE -- "$1"; }

rule 'a public header includes only the standard library and <adze/...> or "adze/..."' < <(
  code "${public[@]}" | lines '^ *# *include' |
    grep -vE '# *include (<[a-z0-9_]+>|[<"]adze/[a-z0-9_/]+\.h[>"])'
)

rule 'a header starts with #pragma once' < <(
  code "${public[@]}" | grep '\.h$' | xargs --no-run-if-empty grep -L '^#pragma once$'
)

right=("${rooms[@]}")
for room in "${rooms[@]}"; do
  right=("${right[@]:1}")
  for other in "${right[@]}"; do
    rule "$room includes nothing of $other, which stands to its right" < <(
      code "$room" | lines "# *include [<\"]adze/$other/"
    )
  done
done

rule 'ao/pruning knows nothing of quantization' < <(
  code ao | grep '/pruning/' | lines '# *include [<"](adze/ao/)?(nn/)?quantiz'
)
rule 'ao/quantization knows nothing of pruning' < <(
  code ao | grep '/quantization/' | lines '# *include [<"](adze/ao/)?pruning'
)

rule 'a file with ISA flags includes only intrinsics, <cstdint>, xsimd and headers of kernels' < <(
  code kernels/src | grep -E '_(avx|neon)[a-z0-9]*\.cpp$' | lines '# *include' |
    grep -vE '# *include (<(immintrin\.h|arm_neon\.h|cstdint)>|<xsimd/[a-z_./]+>|"[a-z0-9_/]+\.h")'
)

rule 'the library never prints and never aborts' < <(
  code "${rooms[@]}" |
    lines 'std::(cout|cerr|clog|abort|exit|terminate)\b|(^|[^n_a-z])printf *\('
)

rule 'what is to be done stands in the issue tracker' < <(
  code "${rooms[@]}" tests tools | lines '\b(TODO|FIXME|XXX)\b'
)

rule 'no file is longer than 800 lines' < <(
  code "${rooms[@]}" tests tools | xargs --no-run-if-empty wc -l |
    awk '$2 != "total" && $1 > 800'
)

rule 'a file of tests is named after its header: tensor_test.cpp' < <(
  code tests | grep -E '\.cpp$' | grep -vE '^tests/(embed|fuzz|golden|support)/|^tests/main\.cpp$' |
    grep -vE '_test\.cpp$'
)

macros() {
  code "${public[@]}" | xargs --no-run-if-empty grep -hoE '^ *# *define +[A-Za-z0-9_]+' |
    awk '{ print $NF }' | sort -u
}
rule 'macros in public headers are named ADZE_...' < <(macros | grep -v '^ADZE_')
rule 'public headers have at most five macros' < <(macros | awk 'NR > 5')

exit "$failed"
