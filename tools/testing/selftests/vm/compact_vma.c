// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings that change while their pages move.
 *
 * What it proves: while compaction replaces page table entries by migration
 * entries and those by the pages' new places, the mappings may split, merge, move,
 * grow and go, and exec may move its arguments down the stack: every page is found
 * again, at its place and with its contents, and no migration entry is left.
 *
 * What makes it fail: a mapping that is changed without the locks by which the
 * walk over a page's mappings finds it whole; page tables that are moved past such
 * a walk; a stack that is taken for an ordinary mapping while it is in two places.
 * The kernel stops at a migration entry whose page is not locked, so one that is
 * left behind ends the test when it is next looked at; and it shows in the page
 * map, as nothing is swapped here. And workers who never had to wait for a page
 * that was on its way, as far as that is to be known: then nothing has met.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_pressure.h"
#include "compact_race.h"

#define NR_WORKERS	3
/* Pages that a worker maps, in two halves. */
#define NR_PAGES	2048
#define HALF		(NR_PAGES / 2)
/* How often to look for pages that are on their way. */
#define LOOKS		200
/* Seconds to wait for a race that has not come about yet. */
#define PATIENCE	30
#define BRK_PAGES	256
#define STACK_PAGES	128
/* The arguments of a program: some hundreds of pages. */
#define NR_ARGS		16
#define ARG_BYTES	(100 * 1024)
/* A worker, also when it has become a program of its own. */
#define WORKER		"exe"
/* Who comes upon a page on its way waits there. */
#define MET		"migration_entry_wait"

static struct {
	__u64 seed;
	unsigned long seconds;
} opt = { .seed = 1, .seconds = 12 };

/* Of one worker; what it maps is at area, or in pieces of it elsewhere. */
static struct {
	char *area;
	char *other;
	struct cu_rng rng;
	__u64 seed;
} w;

static void fill(char *at, size_t first, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		cu_page_fill(at + i * cu_psize, w.seed, first + i);
}

static bool intact(const char *at, size_t first, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!cu_page_ok(at + i * cu_psize, w.seed, first + i))
			return false;
	return true;
}

static char *page(size_t nr)
{
	return w.area + nr * cu_psize;
}

/* Nothing is swapped, so what is neither present nor absent is under migration. */
static size_t pages_away(const char *at, size_t nr)
{
	static __u64 entry[NR_PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t len = nr * sizeof(*entry);
	size_t away = 0, i;

	if (pread(fd, entry, len, (uintptr_t)at / cu_psize * 8) != len)
		return nr;
	close(fd);
	for (i = 0; i < nr; i++)
		away += entry[i] >> 62 & 1;
	return away;
}

/* Any part of the area that is not empty. */
static size_t any_part(size_t *nr)
{
	size_t first = cu_rand(&w.rng) % NR_PAGES;

	*nr = 1 + cu_rand(&w.rng) % (NR_PAGES - first);
	return first;
}

static bool protect(void)
{
	size_t nr, first = any_part(&nr);

	return !mprotect(page(first), nr * cu_psize, PROT_READ) &&
	       intact(page(first), first, nr) &&
	       !mprotect(page(first), nr * cu_psize, PROT_READ | PROT_WRITE);
}

static bool advise(void)
{
	size_t nr, first = any_part(&nr);

	return !madvise(page(first), nr * cu_psize, MADV_DONTFORK) &&
	       !madvise(page(first), nr * cu_psize, MADV_DOFORK);
}

static bool unmap_in_the_middle(void)
{
	size_t nr, first = any_part(&nr);

	if (munmap(page(first), nr * cu_psize) ||
	    mmap(page(first), nr * cu_psize, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page(first))
		return false;
	fill(page(first), first, nr);
	return true;
}

static bool move(char *from, char *to, size_t nr)
{
	return mremap(from, nr * cu_psize, nr * cu_psize,
		      MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

/*
 * There and back in halves. The second half to arrive merges with the first: to a
 * mapping that begins at the same page as the one that it leaves if that is the lower
 * half, and at an earlier one, which a walk meets before the other, if the upper.
 * That one moves while pages of it are on their way, if there are any soon.
 */
static bool move_there_and_back(void)
{
	char *here = w.area, *there = w.other;
	int i;

	if (!move(here + HALF * cu_psize, there + HALF * cu_psize, HALF) ||
	    !move(here, there, HALF) || !intact(there, 0, NR_PAGES) ||
	    !move(there, here, HALF))
		return false;
	for (i = 0; i < LOOKS && !pages_away(there + HALF * cu_psize, HALF); i++)
		;
	if (!move(there + HALF * cu_psize, here + HALF * cu_psize, HALF))
		return false;
	return intact(here, 0, NR_PAGES);
}

static bool shrink_and_grow(void)
{
	size_t len = NR_PAGES * cu_psize, half = HALF * cu_psize;

	if (mremap(w.area, len, half, 0) != w.area ||
	    mremap(w.area, half, len, 0) != w.area)
		return false;
	fill(page(HALF), HALF, HALF);
	return true;
}

static bool move_the_break(void)
{
	size_t skip;
	char *start, *at;
	bool right;

	start = sbrk(BRK_PAGES * cu_psize);
	if (start == (char *)-1)
		return false;
	skip = -(uintptr_t)start & (cu_psize - 1);
	at = start + skip;
	fill(at, 0, BRK_PAGES - 1);
	right = intact(at, 0, BRK_PAGES - 1);
	return sbrk(-(long)(BRK_PAGES * cu_psize)) != (void *)-1 && right;
}

/* Goes down the stack by a page for each call. */
static bool deeper(size_t depth)
{
	char here[4096];
	size_t i;
	bool right = true;

	memset(here, depth, sizeof(here));
	if (depth < STACK_PAGES)
		right = deeper(depth + 1);
	for (i = 0; i < sizeof(here); i += 512)
		right = right && here[i] == (char)depth;
	return right;
}

/* A mapping that grows down by itself, one page after the other. */
static bool grow_down(void)
{
	size_t len = STACK_PAGES * cu_psize;
	char *room, *top;
	size_t i;
	bool right;

	room = mmap(NULL, 16 * len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return false;
	munmap(room, 16 * len);
	top = mmap(room + 15 * len, cu_psize, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED,
		   -1, 0);
	if (top == MAP_FAILED)
		return false;
	for (i = 0; i < STACK_PAGES; i++)
		cu_page_fill(top - i * cu_psize, w.seed, i);
	for (i = 0, right = true; i < STACK_PAGES; i++)
		right = right && cu_page_ok(top - i * cu_psize, w.seed, i);
	return !munmap(top - (STACK_PAGES - 1) * cu_psize, len) && right;
}

static bool grow_the_stack(void)
{
	return deeper(0) && grow_down();
}

struct delay {
	const char *function;
	long us;
	int every;
};

/* Where the work is between two states that agree with each other. */
static const struct delay delays[] = {
	{ "move_to_new_folio", 300, 31 },
	{ "anon_vma_interval_tree_insert", 500, 23 },
	{ "move_page_tables", 1000, 3 },
	{ "remove_migration_pte", 500, 7 },
	{ }
};

/*
 * There is a new place, and a walk has seen it empty and not yet been at the old one.
 * khugepaged_enter_vma() comes between the merge of mappings and the page tables.
 */
static const struct delay mremap_delays[] = {
	{ "move_to_new_folio", 300, 1 },
	{ "khugepaged_enter_vma", 2000, 1 },
	{ "remove_migration_pte", 6000, 3 },
	{ }
};

/* Migration begins before the stack is on its way, and ends while it is. */
static const struct delay exec_delays[] = {
	{ "shift_arg_pages", 3000, 1 },
	{ "move_page_tables", 3000, 1 },
	{ "move_to_new_folio", 1000, 7 },
	{ }
};

struct change {
	const char *name;
	bool (*make)(void);
	const struct delay *delays;
};

static const struct change changes[] = {
	{ "mprotect", protect, delays },
	{ "madvise", advise, delays },
	{ "munmap in the middle", unmap_in_the_middle, delays },
	{ "mremap", move_there_and_back, mremap_delays },
	{ "mremap, shrink and grow", shrink_and_grow, delays },
	{ "brk", move_the_break, delays },
	{ "stack growth", grow_the_stack, delays },
};

static int told_to_stop;

static void stop(int sig)
{
	(void)sig;
	__atomic_store_n(&told_to_stop, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&told_to_stop, __ATOMIC_RELAXED);
}

/* One kind of change again and again. Ends with 0 if all was right. */
static void worker(const struct change *change, unsigned int nr)
{
	size_t len = (NR_PAGES + 1) * cu_psize;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, stop);
	w.seed = opt.seed * 16 + nr;
	cu_rng_seed(&w.rng, w.seed);
	w.area = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w.area == MAP_FAILED)
		_exit(1);
	/* not a multiple of a page table away: those are moved whole, and locked */
	w.other = w.area + len;
	madvise(w.area, 2 * len, MADV_NOHUGEPAGE);
	fill(w.area, 0, NR_PAGES);
	while (!stopped())
		if (!change->make() || !intact(w.area, 0, NR_PAGES))
			_exit(2);
	/* until whoever compacts has been stopped */
	cu_sleep_ms(200);
	if (!intact(w.area, 0, NR_PAGES))
		_exit(2);
	_exit(pages_away(w.area, NR_PAGES) ? 3 : 0);
}

static char *argument(char *text, unsigned int nr)
{
	memset(text, 'a' + nr, ARG_BYTES - 1);
	text[ARG_BYTES - 1] = '\0';
	return text;
}

/* The program itself, called with its arguments to look at. */
static int look_at_arguments(int argc, char **argv)
{
	static char text[ARG_BYTES];
	int i;

	if (argc != NR_ARGS + 2)
		return 2;
	for (i = 0; i < NR_ARGS; i++)
		if (strcmp(argv[i + 2], argument(text, i)))
			return 2;
	return 0;
}

static void exec_worker(const struct change *change, unsigned int nr)
{
	char *argv[NR_ARGS + 3] = { "compact_vma", "--look" };
	int i, status;
	pid_t pid;

	(void)change;
	(void)nr;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, stop);
	for (i = 0; i < NR_ARGS; i++)
		argv[i + 2] = argument(malloc(ARG_BYTES), i);
	while (!stopped()) {
		pid = vfork();
		if (!pid) {
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(2);
	}
	_exit(0);
}

/* Returns how many of the workers have seen what they should not. */
static int stop_workers(pid_t *pid)
{
	int i, status, wrong = 0;

	for (i = 0; i < NR_WORKERS; i++)
		kill(pid[i], SIGTERM);
	for (i = 0; i < NR_WORKERS; i++) {
		if (cu_wait_ms(pid[i], &status, 20000) != pid[i]) {
			ksft_print_msg("a worker hangs\n");
			kill(pid[i], SIGKILL);
			wrong++;
		} else if (status) {
			ksft_print_msg("a worker ended with status %x\n",
				       status);
			wrong++;
		}
	}
	return wrong;
}

static void widen(const struct delay *delay)
{
	if (!race_there()) {
		ksft_print_msg("no module: the races are narrow\n");
		return;
	}
	race_clear();
	for (; delay->function; delay++)
		if (race_delay(delay->function, delay->us, delay->every))
			ksft_print_msg("no delay in %s\n", delay->function);
	if (race_there() && race_delay(MET, 0, 1))
		ksft_exit_fail_msg("nobody sees who meets a page on its way\n");
}

/* Since so many pages had moved, have enough, and did workers meet some of them? */
static bool has_raced(long before)
{
	return cu_vmstat("pgmigrate_success") - before > NR_PAGES / 4 &&
	       (!race_there() || race_hits_by(MET, WORKER) > 0);
}

static void race(const struct change *change, unsigned int doors,
		 void (*work)(const struct change *change, unsigned int nr))
{
	struct pressure pressure = { .churn_percent = 30, .seed = opt.seed };
	long moved = cu_vmstat("pgmigrate_success");
	pid_t pid[NR_WORKERS];
	int i, wrong;
	bool right;
	long met;

	widen(change->delays);
	if (pressure_begin(&pressure, doors))
		ksft_exit_fail_msg("no processes\n");
	for (i = 0; i < NR_WORKERS; i++) {
		pid[i] = cu_fork();
		if (!pid[i]) {
			prctl(PR_SET_NAME, WORKER);
			work(change, i);
		}
	}
	cu_sleep_ms(opt.seconds * 1000);
	/* a machine that has other work needs longer */
	for (i = 0; i < PATIENCE && !has_raced(moved); i++)
		cu_sleep_ms(1000);
	pressure_end(&pressure);
	wrong = stop_workers(pid);
	right = has_raced(moved);
	moved = cu_vmstat("pgmigrate_success") - moved;
	met = race_hits_by(MET, WORKER);
	ksft_print_msg("%ld pages moved, workers met %ld\n", moved, met);
	ksft_test_result(!wrong && right, "%s: %d workers were wrong\n",
			 change->name, wrong);
}

static const struct cu_option options[] = {
	{ "seconds", "N", &opt.seconds, 1, 86400 },
	{ }
};

int main(int argc, char **argv)
{
	static const struct change exec = {
		.name = "exec", .delays = exec_delays,
	};
	size_t i;

	cu_init();
	if (argc > 1 && !strcmp(argv[1], "--look"))
		return look_at_arguments(argc, argv);
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	ksft_set_plan(ARRAY_SIZE(changes) + 1);
	ksft_print_msg("seed %llu\n", (unsigned long long)opt.seed);
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		race(&changes[i], PRESS_ALL & ~PRESS_CMA, worker);
	/* with nothing else to move, the stacks have their turn soon */
	race(&exec, PRESS_MEMORY | PRESS_NODES, exec_worker);
	race_clear();
	ksft_finished();
}
