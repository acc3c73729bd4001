#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: who is called in the wrong way says so at once and does nothing:
# what a test says when it begins is not there. TAP.

nr=0
bad=0
for program in ./compact_*; do
	for argument in --no-such-option word --seed=word; do
		nr=$((nr + 1))
		timeout 5 "$program" "$argument" > /tmp/out 2> /tmp/err
		[ $? = 1 ] && [ -s /tmp/err ] && [ ! -s /tmp/out ] ||
			{ bad=$((bad + 1)); printf 'not '; }
		echo "ok $nr - ${program#./} $argument: refused"
	done
done
echo "1..$nr"
[ "$bad" = 0 ]
