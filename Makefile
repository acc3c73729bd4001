# SPDX-License-Identifier: GPL-2.0
#
# Memory compaction for Linux 6.1: the commands. What goes into the kernel lies
# in mm/, include/, Documentation/, tools/ and patches/; all that builds and
# boots it lies in lab/.

FLAVOUR ?= ours
debug := $(patsubst 1,debug,$(filter-out 0,$(DEBUG)))
export LINUX

.PHONY: help run test kunit kernel tree shell parity selftests matrix stress mutants bench \
	bench-check series bisect-check series-check deb deb-check docs clean
help:	## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## /make \1\t/p' $(MAKEFILE_LIST) | \
		awk -F'\t' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "LINUX=/path/to/linux-6.1.y takes that tree instead of Debian's linux-source-6.1"

run:	## scatter memory in a guest, compact it, show before and after
	@lab/run

test:	## everything that must pass; ends with "N passed, N failed, N skipped"
	@lab/test

kunit:	## the unit tests, under User Mode Linux
	@lab/deps build
	@lab/kunit

kernel:	## build/FLAVOUR/bzImage; FLAVOUR=ours|stock|none, DEBUG=1|kasan
	@lab/deps build
	@lab/kernel $(FLAVOUR) $(debug)

tree:	## the finished kernel source, in build/src/ours
	@lab/deps build
	@lab/tree ours

shell:	## a shell in a guest; FLAVOUR=ours|stock|none, DEBUG=1|kasan
	@[ -t 0 ] || { echo "make shell needs a terminal; to run a script: lab/boot -- FILE" >&2; exit 1; }
	@lab/deps build boot
	@lab/kernel $(FLAVOUR) $(debug)
	@lab/boot --kernel build/$(FLAVOUR)$(addprefix -,$(debug))/bzImage --interactive

parity:	## stock's interfaces against ours: what is missing, what is new
	@lab/deps build boot
	@lab/parity

selftests: ## the kernel's own mm selftests, under stock and under ours
	@lab/deps build boot selftests
	@lab/selftests

bench:	## long: ours beside stock and the cheapest plan; SCENARIO='growth-*', KERNELS=, SEEDS=
	@lab/deps build boot bench
	@set -f; lab/bench $(addprefix --scenario ,$(SCENARIO)) $(addprefix --seeds ,$(SEEDS)) \
		$(if $(KERNELS),--kernels $(KERNELS))

bench-check: ## is ours within bench/bounds of stock? A few minutes
	@lab/deps build boot
	@lab/bench --check

matrix:	## long: other configurations and architectures; lab/matrix quick is in test
	@lab/deps build boot matrix
	@lab/matrix

stress:	## long: stress-ng and compaction from every door, MINUTES=30 SEED= DEBUG=kasan
	@lab/stress $(addprefix --,$(debug)) $(or $(MINUTES),30) $(SEED)

mutants: ## long: does each test notice what it guards? ONLY='race-*' for a part
	@lab/deps build boot
	@set -f; lab/mutants $(ONLY)

docs:	## the documents, with Sphinx, in build/docs
	@lab/deps build check docs
	@lab/docs

series:	## build/series: a cover letter and the patches that one would send
	@lab/series

bisect-check: ## long: does each patch of the series build and boot?
	@lab/series
	@lab/bisect-check

deb:	## very long: Debian kernel packages with the series in, in build/deb
	@lab/deps build deb
	@lab/deb

deb-check: ## install the package in a root file system of Debian's and boot it
	@lab/deps build boot deb
	@lab/deb check

series-check:	## long: do the patches go on to every 6.1.y that Debian still has?
	@lab/deps build
	@lab/series-check

clean:	## remove build/
	@rm -rf build
