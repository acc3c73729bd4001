#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A test of lab/boot, in TAP.  KERNEL=FILE chooses the kernel that is booted.

here=$(cd "$(dirname "$0")" && pwd)
root=${here%/lab/tests}
KERNEL=${KERNEL:-$root/build/ours/bzImage}

echo 1..37
[ -f "$KERNEL" ] || { echo "Bail out! there is no kernel $KERNEL"; exit 1; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work/tmp"
n=0 failed=0

# ok TEXT COMMAND...: one test; a failed one shows the last boot's messages.
ok()
{
	text=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $text"
	else
		failed=1
		echo "not ok $n - $text"
		echo "# failed: $*"
		sed 's/^/# /' "$work/err"
	fi
}

# The temporary files go to a directory that must be empty in the end.
lab_boot()
{
	TMPDIR=$work/tmp "$root/lab/boot" --kernel "$KERNEL" --timeout 60 --console "$work/con" "$@"
}

# boot ARGS...: sets rc; output and messages are left in $work/out and err.
boot()
{
	lab_boot "$@" >"$work/out" 2>"$work/err"
	rc=$?
}

says()
{
	grep -q "$1" "$work/err"
}

printed()
{
	[ "$(cat "$work/out")" = "$1" ]
}

script()
{
	cat >"$work/$1" && chmod +x "$work/$1"
}

# Before any guest
boot --kernel "$work/none" -- true
ok "no kernel: 203" [ $rc = 203 ]
ok "  and it is named" says "kernel $work/none"
boot
ok "no program: 203" [ $rc = 203 ]
boot --icount --smp 2 -- true
ok "--icount with two CPUs: 203" [ $rc = 203 ]
boot -- "$work/none"
ok "the program is missing: 203" [ $rc = 203 ]
script bash <<'END'
#!/bin/bash
END
boot -- "$work/bash"
ok "a script the guest cannot interpret: 203" [ $rc = 203 ]
ok "  and it is said why" says "wants 'bash'"
boot -- "$(command -v qemu-system-x86_64)"
ok "a dynamic binary: 203" [ $rc = 203 ]
ok "  and it is said why" says "dynamically linked"
boot --mem 2Q -- true
ok "QEMU refuses its arguments: 203" [ $rc = 203 ]

# Output and status
boot -- "$(command -v busybox)" printf 'a\r\n\004b\n'
ok "a static binary: status 0" [ $rc = 0 ]
printf 'a\r\n\004b\n' >"$work/want"
ok "  its output is not translated" cmp "$work/out" "$work/want"
ok "  the console is kept and named" says "console: $work/con"
ok "  from the first line on" grep -q "Linux version" "$work/con"

head -c 1048576 /dev/urandom >"$work/megabyte"
mkdir "$work/dir"
echo inner >"$work/dir/file"
script add <<'END'
#!/bin/sh
[ "$(cat dir/file)" = inner ] && [ -x add ] || exit 1
cat megabyte
# None of these is the kernel's complaint
echo "x: page allocation failure: order:9, mode:0x0" >/dev/kmsg
echo "traps: x[1] general protection fault ip:1 sp:2 error:0" >/dev/kmsg
exit 7
END
# A reader that is late: nothing may be lost when the guest is faster.
{
	lab_boot --add "$work/megabyte" "$work/dir" -- "$work/add" 2>"$work/err"
	echo $? >"$work/rc"
} | { sleep 4; cat >"$work/out"; }
ok "added files, status 7" [ "$(cat "$work/rc")" = 7 ]
ok "a megabyte of output, byte for byte" cmp "$work/out" "$work/megabyte"

nl='
'
script args <<'END'
#!/bin/sh
for a; do printf '<%s>' "$a"; done
kill -KILL $$
END
boot -- "$work/args" 'a  b' "it's" '"q" $HOME `x` \n *' '' "x${nl}y" --timeout -- é
ok "a killed program: 137" [ $rc = 137 ]
ok "arguments come through" printed \
	"<a  b><it's><\"q\" \$HOME \`x\` \\n *><><x${nl}y><--timeout><--><é>"

boot -- sh -c 'exit 250'
ok "status 250 is given as 199" [ $rc = 199 ]
ok "  and it is said" says 250

# The machine
boot --mem 1G --smp 4 --nodes 2 -- sh -c 'cd /sys/devices/system/node
cat online node0/cpulist node1/cpulist
for i in 0 1; do awk "/MemTotal/ { print (\$4 > 400000 && \$4 < 540000) }" node$i/meminfo; done'
ok "--mem, --smp and --nodes" printed "0-1${nl}0-1${nl}2-3${nl}1${nl}1"
boot --mem 512M,slots=2,maxmem=1G --append lab.word=1 -- sh -c \
	'awk "/MemTotal/ { print (\$2 > 400000 && \$2 < 524288) }" /proc/meminfo
	nproc; grep -o lab.word=1 /proc/cmdline'
ok "--mem with slots, --append, two CPUs by default" printed "1${nl}2${nl}lab.word=1"
script same <<'END'
#!/bin/sh
cat /proc/vmstat /proc/stat /proc/uptime /proc/self/maps
date
head -c 16 /dev/urandom
END
boot --icount --console "$work/con1" -- "$work/same"
mv "$work/out" "$work/out1"
boot --icount --console "$work/con2" -- "$work/same"
ok "--icount: status 0" [ $rc = 0 ]
ok "  two runs give the same output" cmp "$work/out" "$work/out1"
ok "  and the same console" cmp "$work/con1" "$work/con2"

# The ways to fail
boot -- sh -c 'echo "BUG: test" >/dev/kmsg; echo more >/dev/kmsg; echo out; exit 0'
ok "a splat: 200, whatever the status" [ $rc = 200 ]
ok "  it is quoted" says "BUG: test"
ok "  with the lines around it" says "more"
ok "  the program's output is there" printed out
boot -- sh -c 'echo c >/proc/sysrq-trigger'
ok "a panic: 200" [ $rc = 200 ]
boot -- reboot -f
ok "a guest that ends without a status: 201" [ $rc = 201 ]
ok "  with its last words" says "DIED.*reboot"
boot --timeout 10 -- sleep 1000
ok "a guest that hangs: 202" [ $rc = 202 ]
ok "  with its last words" says "HUNG.* in 10 s; the console's last line: ."

# The output is live, and a signal leaves nothing behind
TMPDIR=$work/tmp "$root/lab/boot" --kernel "$KERNEL" -- sh -c 'echo one; sleep 1000' \
	>"$work/out" 2>"$work/err" &
pid=$!
i=0
while ! grep -q one "$work/out" && [ $((i += 1)) -lt 200 ]; do
	sleep 0.1
done
ok "output comes while the program runs" printed one
qemu=$(pgrep -P $pid)
kill -TERM $pid
wait $pid
rc=$?
ok "ended by SIGTERM: 143, QEMU is gone" eval '[ $rc = 143 ] && [ -n "$qemu" ] && ! kill -0 $qemu 2>/dev/null'
ok "no temporary files are left" [ -z "$(ls -A "$work/tmp")" ]

exit $failed
