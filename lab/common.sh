# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts of lab/: where things are, and how to speak.

set -u
set -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lab=$top/lab
build=${LAB_BUILD:-$top/build}

case $top in
*[[:space:]]*)
	echo "lab: $top: kbuild does not work in a path with spaces" >&2
	exit 1
	;;
esac

say() {
	printf '%s\n' "lab: $*" >&2
}

die() {
	say "$@"
	exit 1
}

# Stop before the disk is full, with a figure, rather than when it is.
need_disk() { # MEBIBYTES PURPOSE
	local free

	mkdir -p "$build"
	free=$(df -Pm "$build" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$2 needs $1 MiB in ${build#"$top"/}, and $free MiB are free"
}

# A line of TAP. At its end a test says whether it passed by [ "$bad" = 0 ].
nr=0
bad=0
result() { # STATUS NAME
	nr=$((nr + 1))
	[ "$1" = 0 ] || { bad=$((bad + 1)); printf 'not '; }
	echo "ok $nr - $2"
}
