#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: lab/tests/tree.sh
#
# What lab/tree does with a base that will not do and with patches that do not
# apply, and that it leaves alone what has not changed. TAP. Works on a copy of
# this repository beside a base that holds just the files that are touched.

. "$(dirname "$0")/../common.sh"

mkdir -p "$build"
tmp=$(mktemp -d -p "$build")
trap 'rm -rf "$tmp"' EXIT
copy=$tmp/copy
base=$tmp/base

# The command fails and says what is asked for in one line.
refuses() { # NAME PATTERN COMMAND...
	local name=$1 pattern=$2 out

	shift 2
	out=$("$@" 2>&1)
	if [ $? = 0 ] || ! printf '%s\n' "$out" | grep -q "^lab: .*$pattern"; then
		printf '%s\n' "$out" | sed 's/^/# /'
		result 1 "$name"
	else
		result 0 "$name"
	fi
}

make_base() {
	local file

	mkdir -p "$base"
	{ awk '$2 != "" && $1 != "#" { print $2 }' "$lab/strip" | grep /
	  sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$top"/patches/*.patch
	  echo Makefile; } | sort -u > "$tmp/files"
	rsync -a --files-from="$tmp/files" --ignore-missing-args "$build/src/stock/" "$base/"
}

make_copy() {
	rm -rf "$copy"
	mkdir -p "$copy"
	rsync -a --exclude=/build --exclude=/.git "$top/" "$copy/" || exit 1
}

in_copy() {
	LAB_BUILD='' LINUX=${LINUX_OVERRIDE:-$base} "$copy/lab/tree" ours
}

LINUX_OVERRIDE=
"$lab/tree" stock || exit 1
make_base
make_copy
echo "TAP version 13"
echo "1..12"

in_copy > "$tmp/log" 2>&1
result $? "the series goes on to a tree named by LINUX"
cmp -s "$copy/build/src/ours/mm/page_alloc.c" "$build/src/ours/mm/page_alloc.c"
result $? "and gives what it gives from the package"
[ ! -e "$copy/build/src/ours/mm/compaction.c" ]
result $? "stock's mm/compaction.c is gone"

touch "$tmp/stamp"
sleep 1
echo "/* a change */" >> "$copy/mm/compaction/choose.c"
in_copy > "$tmp/log" 2>&1
changed=$(find "$copy/build/src/ours" -type f -newer "$tmp/stamp" -not -name '.lab-*' -printf '%f ')
[ "$changed" = "choose.c " ]
result $? "a changed file is the only one that is written (${changed% })"

rm "$copy/mm/compaction/choose.c"
in_copy > "$tmp/log" 2>&1
[ ! -e "$copy/build/src/ours/mm/compaction/choose.c" ]
result $? "a file that is removed here goes there too"

: > "$copy/patches/series"
in_copy > "$tmp/log" 2>&1
grep -q 'compaction.o' "$copy/build/src/ours/mm/Makefile"
result $? "a file that no patch changes any more is the base's again"

make_copy
sed -i 's/^-.*compaction\.o.*/-	no such line/' "$copy/patches/mm-compaction-build-the-folder.patch"
refuses "a patch that does not apply is named, and its file" \
	"mm-compaction-build-the-folder.patch does not apply to mm/Makefile" in_copy

make_copy
sed -i '/CONFIG_COMPACTION/d' "$base/kernel/sysctl.c"
refuses "a base without the blocks to take out is refused" "kernel/sysctl.c" in_copy

LINUX_OVERRIDE=$copy/build/src/stock
refuses "LINUX within build/ is refused" "lies in build/" in_copy
[ -f "$copy/build/src/stock/Makefile" ] || exit 1	# and still there
LINUX_OVERRIDE=$tmp/nothing
refuses "LINUX that is no kernel tree is refused" "not a kernel source tree" in_copy
LINUX_OVERRIDE=$base
sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 12/' "$base/Makefile"
refuses "LINUX that is no 6.1 is refused" "not a 6.1 kernel" in_copy
sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 1/' "$base/Makefile"
rm "$base/mm/compaction.c"
refuses "LINUX without stock's compaction is refused" "no mm/compaction.c" in_copy
[ "$bad" = 0 ]
