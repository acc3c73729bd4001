#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: stress.sh MINUTES
#
# The guest's part of lab/stress: stress-ng makes the load, and for as long as it
# runs one loop for each door asks for compaction. TAP on standard output.

minutes=$1
vm=/proc/sys/vm
nodes=/sys/devices/system/node
cma=/sys/kernel/debug/cma/reserved

counter() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

# A loop in the background: the rest of the line again and again, with a pause.
doors=
door() { # SECONDS COMMAND...
	pause=$1
	shift
	(while "$@" > /dev/null 2>&1 || :; do sleep "$pause"; done) &
	doors="$doors $!"
}

grow_and_shrink() {
	echo $((RANDOM % 64)) > $vm/nr_hugepages
}

contiguous() {
	echo $((RANDOM % 2048 + 1)) > $cma/alloc
	echo $((RANDOM % 2048 + 1)) > $cma/free
}

another_proactiveness() {
	echo $((RANDOM % 101)) > $vm/compaction_proactiveness
}

other_knobs() {
	echo $((RANDOM % 1001)) > $vm/extfrag_threshold
	echo $((RANDOM % 2)) > $vm/compact_unevictable_allowed
}

# One memory block of the second node goes and comes back.
unplug_and_plug() {
	set -- $nodes/node1/memory[0-9]*
	shift $((RANDOM % $#))
	echo offline > "$1/state" && echo online_movable > "$1/state"
}

use_swap() {
	echo 512M > /sys/block/zram0/disksize &&
		mkswap /dev/zram0 > /dev/null && swapon /dev/zram0
}

load() {
	./ld-linux-x86-64.so.2 --library-path /job ./stress-ng --timeout "${minutes}m" \
		--temp-path /tmp --no-rand-seed --oomable --metrics-brief \
		--vm 2 --vm-bytes 40% --vm-madvise hugepage \
		--fault 1 --fork 1 --fork-vm --mremap 1 --mremap-bytes 64M \
		--mmaphuge 1 --madvise 1 --mlock 1 --mmapfork 1 2>&1 |
		sed 's/^/# /'
}

echo "TAP version 13"
echo "1..6"

# An emulated CPU is some ten times slower than the one that two minutes are meant
# for; a task that really hangs still does after ten. Then all CPUs say what they do.
echo 600 > /proc/sys/kernel/hung_task_timeout_secs
echo 1 > /proc/sys/kernel/hung_task_all_cpu_backtrace

mkdir -p /tmp/job
use_swap
swap=$?
echo always > /sys/kernel/mm/transparent_hugepage/enabled
echo always > /sys/kernel/mm/transparent_hugepage/defrag

moved=$(counter pgmigrate_success)
stalls=$(counter compact_stall)
wakes=$(counter compact_daemon_wake)
thp=$(counter thp_fault_alloc)
out=$(counter pswpout)

door 1 sh -c "echo 1 > $vm/compact_memory"
door 1 sh -c "echo 1 > $nodes/node0/compact; echo 1 > $nodes/node1/compact"
door 0.2 grow_and_shrink
door 0.2 contiguous
door 3 another_proactiveness
door 2 other_knobs
door 5 unplug_and_plug
door 1 cat /sys/kernel/debug/compaction/failures /sys/kernel/debug/extfrag/extfrag_index
load
kill $doors
wait $doors 2> /dev/null

result() { # STATUS DESCRIPTION
	n=$((n + 1))
	[ "$1" = 0 ] || printf 'not '
	echo "ok $n - $2"
}

moved=$(($(counter pgmigrate_success) - moved))
stalls=$(($(counter compact_stall) - stalls))
wakes=$(($(counter compact_daemon_wake) - wakes))
thp=$(($(counter thp_fault_alloc) - thp))
out=$(($(counter pswpout) - out))
[ $moved -gt 1000 ]; result $? "pages moved: $moved"
[ $stalls -gt 10 ]; result $? "allocations compacted: $stalls"
[ $wakes -gt 0 ]; result $? "kcompactd was woken: $wakes"
[ $thp -gt 10 ]; result $? "huge pages faulted: $thp"
[ $swap = 0 ] && [ $out -gt 0 ]; result $? "pages swapped out: $out"
sed 's/^/# /' /sys/kernel/debug/compaction/failures | awk '$5 + $6 + $7'

# The audit wants the machine to itself.
echo 0 > $vm/nr_hugepages
swapoff /dev/zram0 2> /dev/null
echo 0 > $vm/compaction_proactiveness
sync
echo 3 > $vm/drop_caches
sleep 2
./compact_counts --rounds 20 | sed 's/^/# /' > /tmp/counts
cat /tmp/counts
grep -q '^# # Totals:.* fail:0 ' /tmp/counts
result $? "the free lists hold what the counters say"
