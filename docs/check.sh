#!/usr/bin/env bash
# check.sh SOURCE_DIR README_PROGRAM: whether the documentation tells what is.
set -uo pipefail
cd "$1" || exit 1
program=$2
shopt -s nullglob
pages=(README.md CHANGELOG.md docs/*.md)
failed=0

wrong() {
  printf '%s\n' "$*"
  failed=1
}

# blocks LANGUAGE FILE: the code blocks of that language, each ended by a zero byte.
blocks() {
  awk -v start="\`\`\`$1" '
    inside && /^```/ { inside = 0; printf "%c", 0; next }
    inside { print; next }
    $0 == start { inside = 1 }' "$2"
}
# prose FILE: what stands outside of code blocks.
prose() { awk '/^```/ { inside = !inside; next } !inside' "$1"; }
first_block() { blocks "$1" "$2" | { IFS= read -r -d '' text && printf '%s' "$text"; }; }
unindented() { sed -E 's/^ +//; /^$/d'; }

if ! diff -u docs/examples/readme.cpp <(first_block cpp README.md); then
  wrong 'the first C++ block of README.md is not docs/examples/readme.cpp'
fi
if (($(wc -l <docs/examples/readme.cpp) > 25)); then
  wrong 'docs/examples/readme.cpp has more than 25 lines'
fi
if ! diff -u <("$program") <(first_block text README.md); then
  wrong 'the first text block of README.md is not what docs/examples/readme.cpp prints'
fi

# Every other C++ block is cut from an example, whatever its indentation.
for page in "${pages[@]}"; do
  while IFS= read -r -d '' block; do
    wanted=$(unindented <<<"$block")
    found=0
    for example in docs/examples/*.cpp; do
      [[ $(unindented <"$example") == *"$wanted"* ]] && found=1
    done
    ((found)) || wrong "$page: this block is in none of docs/examples/*.cpp:"$'\n'"$block"
  done < <(blocks cpp "$page")
done

# Links to files of the project.
for page in "${pages[@]}"; do
  while read -r link; do
    target=${link%%#*}
    [[ -z $target || -e $(dirname "$page")/$target ]] || wrong "$page: there is no $link"
  done < <(prose "$page" | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(//; s/\)$//' |
    grep -vE '^(https?|mailto):')
done

# Paths of files and folders in code spans.
for page in "${pages[@]}"; do
  while read -r path; do
    [[ -e $path ]] || wrong "$page: there is no $path"
  done < <(prose "$page" | grep -oE '`(kernels|core|nn|fx|ao|tests|tools|docs)/[A-Za-z0-9_./-]+`' |
    tr -d '`' | grep -E '^(tests|tools|docs)/|\.[a-z]+$' | grep -vE '\.\.\.|NAME|FAMILY|ROOM' | sort -u)
done

exit "$failed"
