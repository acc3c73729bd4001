#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# usage: lab/tests/effect.sh
#
# The effect of one compact_memory, ours beside stock: the same program with the
# same seeds on both kernels, in guests of 2 GiB with one CPU under --icount. TAP.

. "$(dirname "$0")/../common.sh"

program=$build/bin/compact_effect

# Runs the program, which wants SHARE, and sets share to what it found: how much
# of free memory lies in huge pages, per mille.
measure() { # FLAVOUR SEED SHARE
	local out

	out=$("$lab/boot" --kernel "$build/$1/bzImage" --mem 2G --icount \
		--timeout 240 -- "$program" --tap --seed "$2" --share "$3")
	status=$?
	printf '%s\n' "$out" | grep -E '^# share|^not ok' | sed "s/^/# $1, seed $2: /"
	share=$(field share_permille)
	[ "$status" = 0 ] && [ -n "$share" ]
}

field() { # NAME, out of $out
	printf '%s\n' "$out" | sed -n "s/^# .*\<$1=\([0-9]*\).*/\1/p" | tail -n 1
}

echo "TAP version 13"
echo "1..6"
for seed in 1 2; do
	measure stock $seed 0
	result $? "stock, seed $seed: ran and kept all contents"
	stock_share=${share:-1000}
	measure ours $seed 970
	result $? "ours, seed $seed: ran and kept all contents, 97 % in huge pages"
	[ "${share:-0}" -ge "$stock_share" ]
	result $? "seed $seed: ours, ${share:-0} per mille, is not below stock, $stock_share"
done
[ "$bad" = 0 ]
