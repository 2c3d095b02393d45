#!/usr/bin/env bash
# isa_symbols.sh NM OBJECT...
#
# Fails if an object compiled with -m flags defines a symbol that another object may define too. The
# linker keeps one copy of a weak symbol for the whole program; were it this one, machines without the
# instruction set would crash. So: strong symbols only in adze::kernels, and weak ones only where the
# instruction set is part of the name.
set -euo pipefail

nm=$1
shift
leaks=$("$nm" --demangle --defined-only --extern-only "$@" | awk '
  /:$/ { object = $0; next }
  NF < 3 { next }
  {
    kind = $2
    name = $0
    sub(/^[^ ]+ . /, "", name)
    if (name == "DW.ref.__gxx_personality_v0") next
    strong = kind ~ /[TDBR]/
    if (strong && name ~ /^(vtable for |typeinfo (name )?for )?adze::kernels::/) next
    if (!strong && tolower(name) ~ /avx|fma3|neon/) next
    print "  " object " " kind " " name
  }')
if [[ -n $leaks ]]; then
  printf 'these symbols may replace those of portable code:\n%s\n' "$leaks"
  exit 1
fi
