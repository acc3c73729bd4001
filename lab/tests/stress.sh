#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: stress.sh MINUTES SEED MEBIBYTES [STRESSOR...]
#
# The guest's part of lab/stress: stress-ng makes the load, and for as long as it
# runs one loop for each door asks for compaction, takes memory or a CPU away and
# brings it back, or runs into a limit; one program keeps memory of all kinds, merged
# by ksmd for one, and looks whether it is what it was; another one holds pages for
# I/O and looks whether they stay. MEBIBYTES is what the balloon leaves when it is
# empty; STRESSORs are stress-ng's, one instance of each besides those that are
# always there. TAP on standard output.

. ./monitor.sh

minutes=$1
seed=$2
memory=$3
shift 3
stressors=
for name; do stressors="$stressors --$name 1"; done
vm=/proc/sys/vm
nodes=/sys/devices/system/node
cpu=/sys/devices/system/cpu/cpu1/online
cma=/sys/kernel/debug/cma/reserved
group=/sys/fs/cgroup/limited

counter() {
	awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat
}

# How often has that come about?
often() { # NAME
	if [ -s "/tmp/times.$1" ]; then wc -l < "/tmp/times.$1"; else echo 0; fi
}

# A loop in the background: the rest of the line again and again, with a pause and
# random numbers of its own, until there is a file that says stop.
doors=
nr_doors=0
door() { # SECONDS COMMAND...
	pause=$1
	shift
	nr_doors=$((nr_doors + 1))
	(RANDOM=$((seed + nr_doors))
	 while [ ! -e /tmp/stop ]; do
		"$@" > /dev/null 2>&1
		sleep "$pause"
	 done) &
	doors="$doors $!"
}

grow_and_shrink() {
	echo $((RANDOM % 192)) > $vm/nr_hugepages
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

balance_or_not() {
	echo $((RANDOM % 2)) > /proc/sys/kernel/numa_balancing
}

# One memory block of the second node goes and comes back.
unplug_and_plug() {
	set -- $nodes/node1/memory[0-9]*
	shift $((RANDOM % $#))
	echo offline > "$1/state" && echo online_movable > "$1/state" &&
		echo "$1" >> /tmp/times.offline
}

all_is_online() {
	for block in $nodes/node[01]/memory[0-9]*; do
		[ "$(cat "$block/state")" = online ] || return
	done
}

without_a_cpu() {
	echo 0 > $cpu || return
	sleep $((RANDOM % 3))
	echo 1 > $cpu && echo 1 >> /tmp/times.cpu
}

# Up to an eighth of the memory goes to the host, and comes back.
balloon() {
	monitor "balloon $((memory - RANDOM % (memory / 8)))"
}

# What asks for more than its group may have is killed.
over_the_limit() {
	sh -c "echo 0 > $group/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=96M count=1"
}

limit_group() {
	echo +memory > /sys/fs/cgroup/cgroup.subtree_control
	mkdir $group && echo 48M > $group/memory.max &&
		echo 16M > $group/memory.swap.max
}

use_swap() {
	echo 512M > /sys/block/zram0/disksize &&
		mkswap /dev/zram0 > /dev/null && swapon /dev/zram0
}

# In the background, with what it says and how it ends in files of that name.
start() { # NAME COMMAND...
	name=$1
	shift
	("$@" > "/tmp/$name" 2>&1 &
	 echo $! > "/tmp/$name.pid"
	 wait $!
	 echo $? > "/tmp/$name.status") &
}

ended() { # NAME
	[ -s "/tmp/$1.status" ]
}

good() { # NAME: it has ended well
	ended "$1" && [ "$(cat "/tmp/$1.status")" = 0 ]
}

stop_all() {
	for name in load keep held; do
		ended $name || kill "$(cat /tmp/$name.pid)"
	done
}

# The load fills the CPUs; who asks for compaction, and who watches, has priority over it.
load() {
	# shellcheck disable=SC2086
	start load sh -c 'renice -n 2 -p $$ && exec "$@"' sh \
		./ld-linux-x86-64.so.2 --library-path /job ./stress-ng \
		--timeout "${minutes}m" \
		--temp-path /tmp --seed "$seed" --verify --oomable --metrics-brief \
		--vm 2 --vm-bytes 40% --vm-madvise hugepage \
		--fault 1 --fork 1 --fork-vm --mremap 1 --mremap-bytes 64M \
		--mmaphuge 1 --madvise 1 --mlock 1 $stressors
	# the first wrong byte is the end of it
	while ! ended load; do
		for name in keep held; do
			if ended $name && ! good $name; then
				stop_all
			fi
		done
		sleep 1
	done
	good load || stop_all
	sed 's/^/# /' /tmp/load
	# what was killed for want of memory is no failure
	good load && ! grep -q ' fail: ' /tmp/load
}

# A witness, which ends by itself.
witness() { # NAME DESCRIPTION
	while ! ended "$1"; do
		sleep 1
	done
	sed 's/^/# /' "/tmp/$1"
	good "$1"
	result $? "$2"
}

bad=0
result() { # STATUS DESCRIPTION
	n=$((n + 1))
	[ "$1" = 0 ] || { printf 'not '; bad=$((bad + 1)); }
	echo "ok $n - $2"
}

# A counter has grown since the beginning.
counters="pgmigrate_success compact_stall compact_daemon_wake thp_fault_alloc
	numa_pages_migrated cma_alloc_success htlb_buddy_alloc_success balloon_inflate"
grown() { # NAME MORE-THAN
	now=$(counter "$1")
	eval "before=\$before_$1"
	[ "$((now - before))" -gt "$2" ]
	result $? "$1: $((now - before))"
}

echo "TAP version 13"
echo "1..18"

# An emulated CPU is some ten times slower than the one that two minutes are meant
# for; a task that really hangs still does after ten. Then all CPUs say what they do.
echo 600 > /proc/sys/kernel/hung_task_timeout_secs
echo 1 > /proc/sys/kernel/hung_task_all_cpu_backtrace

use_swap
swap=$?
limit_group || echo "# no group with a limit"
insmod ./audit.ko || echo "# no audit"
echo always > /sys/kernel/mm/transparent_hugepage/enabled
echo always > /sys/kernel/mm/transparent_hugepage/defrag
start keep ./compact_keep --seed "$seed" --seconds $((minutes * 60))
start held ./compact_pinned --seed "$seed" --witness $((minutes * 60))
sleep 5
for name in $counters; do
	eval "before_$name=$(counter $name)"
done
door 1 sh -c "echo 1 > $vm/compact_memory"
door 1 sh -c "echo 1 > $nodes/node0/compact; echo 1 > $nodes/node1/compact"
door 0.2 grow_and_shrink
door 0.2 contiguous
door 3 another_proactiveness
door 2 other_knobs
door 5 unplug_and_plug
door 7 without_a_cpu
door 9 balloon
door 3 over_the_limit
door 4 balance_or_not
door 1 cat /sys/kernel/debug/compaction/failures /sys/kernel/debug/extfrag/extfrag_index
load
result $? "stress-ng finds nothing wrong"
: > /tmp/stop
wait $doors
witness keep "memory of all kinds keeps its contents"
witness held "what is held for I/O stays, and has what was read into it"

grown pgmigrate_success 1000
grown compact_stall $((minutes / 3))
# now and then only, as long as compact_memory leaves little to do
grown compact_daemon_wake $((minutes < 5 ? -1 : 0))
grown thp_fault_alloc 10
grown numa_pages_migrated 0
grown cma_alloc_success 0
grown htlb_buddy_alloc_success 0
grown balloon_inflate 0
[ $swap = 0 ] && [ "$(counter pswpout)" -gt 0 ]
result $? "pages swapped out: $(counter pswpout)"
[ "$(often offline)" -gt 0 ] && all_is_online
result $? "memory went offline and came back: $(often offline) times"
[ "$(often cpu)" -gt 0 ] && [ "$(cat $cpu)" = 1 ]
result $? "a CPU went and came back: $(often cpu) times"
killed=$(awk '$1 == "oom_kill" { print $2 }' $group/memory.events)
[ "${killed:-0}" -gt 0 ]
result $? "killed for a group's limit: ${killed:-0}"
sed 's/^/# /' /sys/kernel/debug/compaction/failures | awk '$5 + $6 + $7'

# The audits want the machine to themselves.
monitor "balloon $memory"
for second in 1 2 3 4 5 6 7 8 9 10; do
	[ "$(counter balloon_deflate)" -lt "$(counter balloon_inflate)" ] && sleep 2
done
[ "$(counter balloon_deflate)" = "$(counter balloon_inflate)" ]
result $? "all pages of the balloon come back"
echo 0 > $vm/nr_hugepages
echo 2 > /sys/kernel/mm/ksm/run
swapoff /dev/zram0 2> /dev/null
echo 0 > $vm/compaction_proactiveness
echo 0 > /proc/sys/kernel/numa_balancing
sync
echo 3 > $vm/drop_caches
sleep 5
./compact_counts --rounds 20 | sed 's/^/# /' > /tmp/counts
cat /tmp/counts
grep -q '^# # Totals:.* fail:0 ' /tmp/counts
result $? "the free lists hold what the counters say"
echo 1 > $vm/stat_refresh
sed 's/^/# /' /sys/kernel/debug/free_audit | tee /tmp/audit
awk '{ n++ } $7 != $9 || $11 != $13 || $15 || $17 { bad++ } END { exit !n || bad }' /tmp/audit
result $? "each free page is where it belongs"
[ "$bad" = 0 ] && [ "$n" = 18 ]
