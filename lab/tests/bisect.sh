#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A guest's part of lab/bisect-check: use memory in the ways that the series touches.

vm=/proc/sys/vm
set -e

echo 20 > $vm/nr_hugepages
[ "$(cat $vm/nr_hugepages)" = 20 ]
[ ! -e $vm/compact_memory ] || echo 1 > $vm/compact_memory
[ ! -e /sys/devices/system/node/node1/compact ] ||
	echo 1 > /sys/devices/system/node/node1/compact

# more than there is: reclaims, or swaps, or is refused; does not hang
dd if=/dev/zero of=/tmp/file bs=1M count=300 2> /dev/null || [ -s /tmp/file ]
echo 3 > $vm/drop_caches
echo 200 > $vm/nr_hugepages
rm /tmp/file
cat /proc/vmstat /proc/buddyinfo > /dev/null
