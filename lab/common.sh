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

# What a script says of itself in its first comment.
case ${1:-} in
-h | --help)
	sed -n '/^# usage/,/^$/s/^# \{0,1\}//p' "$0"
	exit
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

# For whoever runs kbuild: the same bytes from the same source, whoever builds it
# where, and one cache for all of them, if ccache is there.
build_env() {
	export KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
	export KBUILD_BUILD_TIMESTAMP='2010-04-20 UTC'
	export CCACHE_BASEDIR=$build CCACHE_NOHASHDIR=1
	cc=gcc
	! command -v ccache > /dev/null || cc="ccache gcc"
}

files() { # PATTERN... of what is in the project, committed or about to be
	git -C "$top" ls-files -co --exclude-standard -- "$@" | while read -r file; do
		[ ! -f "$top/$file" ] || printf '%s\n' "$file"
	done
}

# What checkpatch says of a tracepoint, which is written in the words of its macros:
# it takes them for function calls and for macros that lack a do-while; and a list
# of reasons repeats its macro.
TRACE_TYPES=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE,COMPLEX_MACRO,MULTISTATEMENT_MACRO_USE_DO_WHILE,TRAILING_SEMICOLON,MACRO_ARG_REUSE
