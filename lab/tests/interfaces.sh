#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: what its kernel offers to user space about memory, one thing a
# line, "KIND<tab>NAME<tab>WHAT IT IS LIKE". lab/parity compares two of these.

tab='	'
events=/sys/kernel/tracing/events

say()
{
	printf '%s\t%s\t%s\n' "$1" "$2" "$3"
}

# What is read of a file that can also be written is a setting, which says how the
# kernel is by default; the rest is state, and so is what is computed from the
# memory that happens to be free at boot.
files() # KIND STRIP DIR...
{
	kind=$1
	strip=$2
	shift 2
	find "$@" -type f 2>/dev/null | xargs -r stat -c '%a %n' | while read -r mode file; do
		value=
		case $mode:$file in
		*/user_reserve_kbytes) ;;
		6*) value=$(head -n 1 "$file" 2>/dev/null) ;;
		esac
		say "$kind" "${file#"$strip"}" "$mode $value"
	done
}

# Which values the files of compaction take. Each is left as it was.
limits()
{
	for file in /proc/sys/vm/*compact* /proc/sys/vm/extfrag*; do
		[ -e "$file" ] || continue
		taken=
		old=$(cat "$file" 2>/dev/null)
		for value in -1 0 1 2 100 101 1000 1001 x; do
			echo "$value" 2>/dev/null >"$file" && taken="$taken $value"
		done
		[ -z "$old" ] || echo "$old" >"$file"
		say sysctl "${file#/proc/sys/} values" "takes$taken"
	done
}

# The fields of an event and the way they are printed. Where a field lies is not
# for anybody to rely on: that is what the file is there to say.
tracepoints()
{
	for group in cma compaction huge_memory kmem ksm migrate mmap mmap_lock oom \
		     page_isolation page_pool pagemap percpu thp vmscan writeback; do
		[ ! -d "$events/$group" ] || cat "$events/$group"/*/format |
			awk -v group="$group" -v OFS="$tab" '
			/^name: / {
				event = group "/" substr($0, 7)
				print "tracepoint", event, ""
			}
			/^\tfield:/ && !/ common_/ {
				split($0, part, ";")
				type = part[1]
				sub(/^\tfield:/, "", type)
				name = type
				sub(/.*[ *]/, "", name)
				sub(/\[.*/, "", name)
				sub(/\t/, " ", part[3])
				sub(/\t/, " ", part[4])
				print "tracepoint", event " " name, type part[3] part[4]
			}
			/^print fmt: / {
				print "tracepoint", event " print", substr($0, 12)
			}'
	done
}

# Those of the kernel's threads that every boot has. Where they may run says nothing
# of a workqueue's rescuer, which follows those in need.
kthreads()
{
	for dir in /proc/[0-9]*; do
		read -r stat 2>/dev/null <"$dir/stat" || continue
		name=${stat#*(}
		name=${name%)*}
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		[ "$2" = 2 ] || continue	# the parent is kthreadd
		case $name in
		kworker/*) continue ;;
		esac
		cpus=
		[ "${17}" = -20 ] ||
			cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*/ cpus /p' "$dir/status")
		say kthread "$name" "nice ${17} policy ${39}$cpus"
	done
}

limits
files sysctl /proc/sys/ /proc/sys/vm
files sysfs /sys/ /sys/devices/system/node /sys/devices/system/memory /sys/kernel/mm
for dir in /sys/kernel/debug/*; do
	[ "${dir##*/}" = tracing ] || files debugfs /sys/kernel/debug/ "$dir"
done
for file in /sys/kernel/debug/extfrag/*; do
	[ ! -f "$file" ] || sed 's/ -*[0-9][0-9.]*/ N/g; s/  */ /g' "$file" | sort -u | while read -r line; do
		say debugfs "extfrag/${file##*/} line $line"
	done
done
for file in vmstat meminfo zoneinfo; do
	# the words before the first number
	sed '/^Node/d; s/[0-9(].*//; s/^ *//; s/[ :]*$//' "/proc/$file" | sort -u |
		while read -r line; do
			[ -z "$line" ] || say "$file" "$line"
		done
done
tracepoints
kthreads
awk -v OFS="$tab" '$2 == "T" { print "linked", $3, "" }' /proc/kallsyms
