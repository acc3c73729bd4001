#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest with --monitor, whose node 2 is a virtio-mem device: what takes a
# change of the machine. Memory that the host takes and gives back, the balloon, CPUs
# that go offline, and a gigantic page at run time. TAP.

. ./monitor.sh

total=$1	# MiB at boot
node=/sys/devices/system/node
cpu=/sys/devices/system/cpu
huge=/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages
nr=0
bad=0

result() # STATUS NAME
{
	nr=$((nr + 1))
	[ "$1" = 0 ] || { bad=$((bad + 1)); printf 'not '; }
	echo "ok $nr - $2"
}

count() # NAME: of /proc/vmstat
{
	sed -n "s/^$1 //p" /proc/vmstat
}

wait_for() # SECONDS COMMAND...
{
	left=$(($1 * 5))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.2
	done
}

# Free memory in huge pages.
huge_free()
{
	awk '{ n += $14 + 2 * $15 } END { print n }' /proc/buddyinfo
}

# Something to do for compaction all the time.
keep_compacting()
{
	while :; do
		echo 1 > /proc/sys/vm/compact_memory
		sleep 0.1
	done &
	compacting=$!
}

daemon() # NODE: the process
{
	pidof "kcompactd$1"
}

daemon_runs_on() # NODE CPUS
{
	grep -q "^Cpus_allowed_list:	$2\$" "/proc/$(daemon "$1")/status"
}

echo "TAP version 13"
mount -o remount,size=95% /tmp

# A gigantic page, out of memory that is in use. It can only be had from the second GiB
# of node 0, to which the file goes as huge pages have taken the first one.
echo 500 > $node/node0/hugepages/hugepages-2048kB/nr_hugepages
taskset 3 dd if=/dev/urandom of=/tmp/file bs=1M count=250 2>/dev/null
echo 0 > /proc/sys/vm/nr_hugepages
result $(($(stat -c %s /tmp/file) != 250 << 20)) "a file of 250 MiB"
sum=$(md5sum < /tmp/file)
moved=$(count pgmigrate_success)
echo 1 > $huge
moved=$(($(count pgmigrate_success) - moved))
result $(($(cat $huge) != 1 || moved < 10000)) "a gigantic page at run time: $moved pages moved for it"
[ "$sum" = "$(md5sum < /tmp/file)" ]
result $? "the file that was in the way is what it was"
echo 0 > $huge
rm /tmp/file

# The balloon, in the holes that files leave which lie between others, while huge
# pages keep the rest of memory.
balloon_is_full() { [ "$(count balloon_inflate)" -ge 32000 ]; }
balloon_is_empty() { [ "$(count balloon_deflate)" -ge "$(count balloon_inflate)" ]; }

i=100
while [ $i -lt 200 ]; do
	dd if=/dev/zero of=/tmp/part.$i bs=3M count=1 2>/dev/null
	i=$((i + 1))
done
free=$(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
echo $(((free >> 10) / 2 - 64)) > /proc/sys/vm/nr_hugepages
rm /tmp/part.*[02468]
monitor "balloon $((total - 128))"
wait_for 60 balloon_is_full
result $? "the balloon is blown up, to $(count balloon_inflate) pages"
rm /tmp/part.*
before=$(huge_free)
echo 1 > /proc/sys/vm/compact_memory
after=$(huge_free)
moved=$(count balloon_migrate)
result $((moved < 2000 || after <= before)) \
	"$moved pages of the balloon moved, and of $before huge pages there are $after"
echo 0 > /proc/sys/vm/nr_hugepages
monitor "balloon $total"
wait_for 60 balloon_is_empty
result $? "all of them come back: $(count balloon_deflate)"

# The host takes all memory of node 2 away, and gives it back.
node_is_gone() { [ ! -e $node/node2/compact ] && [ -z "$(daemon 2)" ]; }
node_is_there() { [ -e $node/node2/compact ] && [ -n "$(daemon 2)" ]; }

keep_compacting
node_is_there
result $? "node 2 has a compact file and a daemon"
monitor "qom-set vm0 requested-size 0"
wait_for 60 node_is_gone
result $? "both go with its memory"
monitor "qom-set vm0 requested-size 256M"
wait_for 60 node_is_there
result $? "and come back"
echo 1 > $node/node2/compact
result $? "the file takes requests again"
kill $compacting

# kcompactd stays on its node's CPUs, as far as there are any: when the last one has
# gone it may run anywhere, which it notices when it wakes.
runs_elsewhere() { ! daemon_runs_on 1 2-3; }

daemon_runs_on 1 2-3
result $? "kcompactd1 is bound to its node's CPUs"
echo 0 > $cpu/cpu2/online
echo 0 > $cpu/cpu3/online
echo 50 > /proc/sys/vm/compaction_proactiveness
wait_for 60 runs_elsewhere
result $? "it runs elsewhere when they are offline"
echo 1 > $cpu/cpu3/online
echo 1 > $cpu/cpu2/online
daemon_runs_on 1 2-3
result $? "and is bound to them again when they are back"

echo "1..$nr"
exit $((bad > 0))
