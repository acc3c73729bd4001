#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# usage: selftests.sh [NAME...]
#
# Runs in a guest: the kernel's own selftests of mm, all or those named, called as
# its run_vmtests.sh calls them. Each is told of by "begin NAME", its output, and
# "result STATUS SECONDS NAME" with STATUS 0 for passed, 4 for skipped.

huge=./huge
vm=/proc/sys/vm

nl='
'
cr=$(printf '\r')
escape=$(printf '\033')
wanted=
for test; do
	wanted="$wanted$nl$test$nl"
done
name=
endless=

# What a test leaves running would be in the way of the next one.
run() # SECONDS PROGRAM ARGS...
{
	limit=$1
	shift
	name=${name:-$*}
	case ${wanted:-$nl$name$nl} in
	*"$nl$name$nl"*)
		echo "begin $name"
		read -r start _ </proc/uptime
		timeout -s KILL "$limit" "$@" >/tmp/output 2>&1
		status=$?
		read -r end _ </proc/uptime
		kill -KILL -1
		# what was last written to a line, without colours
		sed "s/.*$cr//; s/$escape\[[0-9]*m//g" /tmp/output | tail -n 400
		# 137 says SIGKILL, by which a test of endless stress has passed
		[ "$status" != 137 ] || [ -z "$endless" ] || status=0
		echo "${nl}result $status $((${end%.*} - ${start%.*})) $name"
		;;
	esac
	name=
	endless=
}

hugepages() # NUMBER
{
	echo 3 >$vm/drop_caches
	echo "$1" >$vm/nr_hugepages
	got=$(cat $vm/nr_hugepages)
	[ "$got" = "$1" ] || echo "of $1 huge pages there are $got"
}

cd /job || exit 1
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
mkdir "$huge"
mount -t hugetlbfs none "$huge"

hugepages 128
run 180 hugepage-mmap
echo 268435456 >/proc/sys/kernel/shmmax
echo 4194304 >/proc/sys/kernel/shmall
run 180 hugepage-shm
run 180 map_hugetlb
run 180 hugepage-mremap "$huge/huge_mremap"
rm -f "$huge/huge_mremap"
run 180 hugepage-vmemmap
run 180 hugetlb-madvise "$huge/madvise-test"
rm -f "$huge/madvise-test"
run 180 map_fixed_noreplace
run 180 gup_test -u
run 180 gup_test -a
run 180 gup_test -ct -F 0x1 0 19 0x1000
# Not as large as there and not as often, which is a minute each under emulation; 16
# times are once in every mode.
for dev in "" :dev; do
	run 180 userfaultfd "anon$dev" 5 16
	run 180 userfaultfd "hugetlb$dev" 128 16
	run 180 userfaultfd "hugetlb_shared$dev" 128 16 "$huge/uffd-test"
	rm -f "$huge/uffd-test"
	run 180 userfaultfd "shmem$dev" 5 16
done
umount "$huge"
hugepages 0

run 180 compaction_test
name=on-fault-limit
run 180 su nobody -c ./on-fault-limit
run 180 map_populate
run 180 mlock-random-test
run 180 mlock2-tests
run 180 mrelease_test
# It maps 4 GiB and writes 8 MiB of that.
echo 1 >$vm/overcommit_memory
run 180 mremap_test
echo 0 >$vm/overcommit_memory
run 180 thuge-gen
run 180 virtual_address_range
name=va_128TBswitch.sh
run 180 sh -c 'grep -qw la57 /proc/cpuinfo || exit 4; exec ./va_128TBswitch'
run 180 mremap_dontunmap
run 180 madv_populate
run 180 memfd_secret
run 180 ksm_tests -M -p 10
run 180 ksm_tests -U
run 180 ksm_tests -Z -p 10 -z 0
run 180 ksm_tests -Z -p 10 -z 1
run 180 ksm_tests -N -m 1
run 180 ksm_tests -N -m 0
run 180 protection_keys_64
run 180 soft-dirty

# Those that run_vmtests.sh leaves to be run by hand.
run 180 migration
run 180 split_huge_page_test

# Its status is the number of failures, so 4 of them would be taken for a skip.
echo 256M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0
name=khugepaged
run 300 sh -c './khugepaged || exit 1'
swapoff /dev/zram0

endless=1
run 15 transhuge-stress 512
echo end
