// SPDX-License-Identifier: GPL-2.0
/*
 * Syscalls and files that steer migration, asked for nonsense.
 *
 * Children call them at random with arguments of which some make sense: addresses
 * of their own, of nobody and of the kernel; processes that are there, are not and
 * are the kernel's; nodes, counts, modes and flags of all sizes.
 *
 * What it proves: the answer is a number that the call can give, or an error that
 * user space knows; pages are said to be on nodes that exist; a knob is in its range
 * whatever was written; nobody dies of it; memory of another process, which is moved
 * meanwhile, keeps its contents; and in the end no page is isolated, lost or free
 * where it should not be.
 *
 * What makes it fail: an error of the kernel's own that comes out; an array that is
 * written beyond what was asked for; a range that is not checked before it is walked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_rest.h"

#ifndef __NR_set_mempolicy_home_node
#define __NR_set_mempolicy_home_node	450
#endif

#define NR_CHILDREN	3
/* A child is followed by a new one after so many calls: what it has is gone then. */
#define LIFE_CALLS	500
#define ARENA		(64UL << 20)	/* of address space, part of it mapped */
#define MAPPED		(8UL << 20)	/* at once, by one call */
/* Of a child; all of them leave enough for everybody. */
#define LIMIT		(128UL << 20)
/* From the beginning of the address space on, where nothing is mapped. */
#define NOTHING		0x10000UL
#define NR_WORDS	64		/* of each array that a call gets */
#define LAST_ERROR	133		/* EHWPOISON; the kernel's own begin at 512 */
#define WITNESS_PAGES	2048
#define ZERO_PAGE	"/sys/kernel/mm/transparent_hugepage/use_zero_page"

static struct {
	__u64 seed;
	unsigned long seconds;
} opt = { .seed = 1, .seconds = 20 };

/* What gives an answer. */
enum call {
	MMAP, MOVE_PAGES, MIGRATE_PAGES, MBIND, SET_MEMPOLICY, HOME_NODE, MADVISE,
	MREMAP, MPROTECT, MLOCK, MUNLOCK, A_FILE, NR_CALLS
};

static const char * const call_name[NR_CALLS] = {
	"mmap", "move_pages", "migrate_pages", "mbind", "set_mempolicy",
	"set_mempolicy_home_node", "madvise", "mremap", "mprotect", "mlock2", "munlock",
	"a file",
};

/* Shared with the children. */
static struct told {
	long end;		/* ms, as cu_now_ms() has them */
	unsigned long calls[NR_CALLS];
	unsigned long well[NR_CALLS];	/* have been done, and had something to do */
	unsigned long wrong;
	char first[160];	/* of those */
} *told;

static struct cu_rng rng;
static char *arena;
static char *witness;		/* the parent's; a child has none there */
static pid_t parent;
static __u64 nodes;		/* those that there are */
static long *words[3];		/* behind each is nothing */

static void is_wrong(const char *call, long val, const char *what)
{
	if (!__atomic_fetch_add(&told->wrong, 1, __ATOMIC_RELAXED))
		snprintf(told->first, sizeof(told->first), "%s: %ld %s", call,
			 val, what);
}

static unsigned long of(unsigned long nr)
{
	return cu_rand(&rng) % nr;
}

/* Mostly what makes sense, but for a page or a bit. */
static unsigned long any_address(void)
{
	unsigned long page = (unsigned long)arena + of(ARENA / cu_psize) * cu_psize;

	switch (of(16)) {
	case 0:
		return 0;
	case 1:
		return cu_rand(&rng);
	case 2:
		return page + of(cu_psize);
	case 3:
		return -of(~0UL >> 20);	/* the kernel's */
	default:
		return page;
	}
}

static unsigned long any_length(void)
{
	switch (of(8)) {
	case 0:
		return cu_rand(&rng);
	case 1:
		return 0;
	case 2:
		return of(cu_psize);
	default:
		return of(1024) * cu_psize;
	}
}

/*
 * For calls that take memory away: some of the arena, what wraps around, or what
 * nobody has. A length that wraps from the arena's addresses does not from 0, and
 * would be all of the program.
 */
static void any_range(unsigned long *at, unsigned long *len)
{
	*at = any_address();
	*len = any_length();
	if (*at - (unsigned long)arena >= ARENA)
		*len %= NOTHING;
	else if (*len > MAPPED)
		*len = -(*len % ARENA);
}

static long any_number(void)
{
	switch (of(6)) {
	case 0:
		return cu_rand(&rng);
	case 1:
		return (__s32)cu_rand(&rng);
	case 2:
		return (long)(1UL << of(8 * sizeof(long)));
	default:
		return (long)of(12) - 2;
	}
}

static int any_flags(int most)
{
	return of(4) ? (int)of(most) : (int)any_number();
}

static long any_pid(void)
{
	switch (of(6)) {
	case 0:
		return 0;
	case 1:
		return of(64);
	case 2:
		return any_number();
	default:
		return parent;
	}
}

/* What a call may read or write, or what it may not. */
static long *any_array(long *array)
{
	switch (of(8)) {
	case 0:
		return NULL;
	case 1:
		return (long *)any_address();
	default:
		return array;
	}
}

static long *any_numbers(int nr)
{
	int i;

	for (i = 0; i < NR_WORDS; i++)
		words[nr][i] = any_number();
	return any_array(words[nr]);
}

/* Every other time nodes that there may be, or nothing would ever move. */
static long *any_nodes(int nr)
{
	int *node = (int *)words[nr], i;

	if (of(2))
		return any_numbers(nr);
	for (i = 0; i < 2 * NR_WORDS; i++)
		node[i] = of(2);
	return any_array(words[nr]);
}

/* Addresses of another process are the witness's, which nothing takes away. */
static long *any_pages(int nr, long pid)
{
	int i;

	for (i = 0; i < NR_WORDS; i++)
		words[nr][i] = pid != parent ? any_address() :
			       (unsigned long)witness + of(WITNESS_PAGES) * cu_psize;
	return any_array(words[nr]);
}

static unsigned long any_count(void)
{
	return of(8) ? of(NR_WORDS + 1) : (unsigned long)any_number();
}

/* With a length of 0 there is nothing to do; len is 1 where there is no length. */
static void look_at(enum call call, long ret, long most, unsigned long len)
{
	__atomic_fetch_add(&told->calls[call], 1, __ATOMIC_RELAXED);
	if (ret >= 0 && len)
		__atomic_fetch_add(&told->well[call], 1, __ATOMIC_RELAXED);
	if (ret < -1 || ret > most)
		is_wrong(call_name[call], ret, "returned");
	if (ret == -1 && (errno <= 0 || errno > LAST_ERROR))
		is_wrong(call_name[call], errno, "as an error");
}

/*
 * Each status is a node or an error, and there are no more than were wanted. What
 * is returned counts pages in an int: of more it says nothing.
 */
static void call_move_pages(void)
{
	long pid = any_pid();
	unsigned long count = any_count();
	long *pages = any_pages(0, pid), *to = any_nodes(1);
	long *status = any_array(words[2]);
	int *is = (int *)words[2], first = __builtin_ctzll(nodes);
	int flags = any_flags(8);
	unsigned long i;
	long ret;

	for (i = 0; i < 2 * NR_WORDS; i++)
		is[i] = first;
	ret = syscall(SYS_move_pages, pid, count, pages, to, status, flags);
	if (count <= INT_MAX)
		look_at(MOVE_PAGES, ret, count, count);
	for (i = 0; i < 2 * NR_WORDS; i++)
		if (is[i] < -LAST_ERROR || (is[i] != first && i >= count) ||
		    (is[i] >= 0 && (is[i] > 63 || !(nodes & 1ULL << is[i]))))
			is_wrong("move_pages", is[i], "as a status");
}

static void call_migrate_pages(void)
{
	unsigned long bits = of(4) ? 1 + of(64) : (unsigned long)any_number();
	long *from = any_numbers(0), *to = any_numbers(1), pid = any_pid();

	look_at(MIGRATE_PAGES, syscall(SYS_migrate_pages, pid, bits, from, to),
		LONG_MAX, 1);
}

static void call_mbind(void)
{
	unsigned long at = any_address(), len = any_length();
	long mode = any_number(), bits = any_number(), *mask = any_numbers(0);

	if (!of(3)) {
		mode = of(6);
		bits = 64;
		mask = (long *)&nodes;
	}
	look_at(MBIND, syscall(SYS_mbind, at, len, mode, mask, bits, any_flags(8)),
		0, len);
}

static void call_policy(void)
{
	long mode = any_number(), bits = any_number(), *mask = any_numbers(0);

	look_at(SET_MEMPOLICY, syscall(SYS_set_mempolicy, mode, mask, bits), 0, 1);
}

/* A home needs a policy that is bound to nodes; every other time there is one. */
static void call_home(void)
{
	unsigned long at = any_address(), len = any_length();
	long node = of(3) ? any_number() : (long)of(2);
	long flags = of(2) ? 0 : any_number();

	if (of(2))
		syscall(SYS_mbind, at, len, MPOL_BIND, &nodes, 64, 0);
	look_at(HOME_NODE,
		syscall(__NR_set_mempolicy_home_node, at, len, node, flags), 0, len);
}

/* But for what takes memory from the machine for good. */
static void call_madvise(void)
{
	int advice = any_flags(28);
	unsigned long at, len;

	any_range(&at, &len);
	if (advice == 100 || advice == 101)
		return;
	look_at(MADVISE, madvise((void *)at, len, advice), 0, len);
}

/* To a place of its own, or it could be that of the program. */
static void call_mremap(void)
{
	unsigned long new_len = of(4) ? of(2048) * cu_psize : any_length();
	char *to = arena + of(ARENA / cu_psize) * cu_psize + (of(8) ? 0 : of(cu_psize));
	int flags = any_flags(8);
	unsigned long at, len;
	void *ret;

	if (new_len > MAPPED)
		new_len |= ~(~0UL >> 1);
	any_range(&at, &len);
	ret = mremap((void *)at, len, new_len, flags, to);
	look_at(MREMAP, ret == MAP_FAILED ? -1 : 0, 0, 1);
}

static void call_protect(void)
{
	unsigned long at, len;

	any_range(&at, &len);
	look_at(MPROTECT, mprotect((void *)at, len, any_flags(8)), 0, len);
	at = any_address();
	len = any_length();
	look_at(MLOCK, syscall(SYS_mlock2, at, len / 8, any_flags(4)), 0, len / 8);
	look_at(MUNLOCK, munlock((void *)at, len), 0, len);
}

/* So that there is something to move. */
static void call_map(void)
{
	char *at = arena + of((ARENA - MAPPED) / cu_psize) * cu_psize;
	size_t len = (1 + of(MAPPED / cu_psize)) * cu_psize;
	int share = of(2) ? MAP_SHARED : MAP_PRIVATE;

	at = mmap(at, len, PROT_READ | PROT_WRITE,
		  MAP_FIXED | MAP_ANONYMOUS | MAP_POPULATE | share, -1, 0);
	look_at(MMAP, at == MAP_FAILED ? -1 : 0, 0, 1);
}

static const struct knob_range {
	const char *path;
	long most;		/* -1: cannot be read, or is a word */
} ranges[] = {
	{ CU_COMPACT, -1 },
	{ CU_THRESHOLD, 1000 },
	{ CU_PROACTIVE, 100 },
	{ CU_UNEVICTABLE, 1 },
	{ NODES "node0/compact", -1 },
	{ NODES "node1/compact", -1 },
	{ THP_ENABLED, -1 },
	{ THP_DEFRAG, -1 },
	{ KHUGEPAGED "defrag", 1 },
	{ "/sys/kernel/debug/extfrag/extfrag_index", -1 },
	{ "/sys/kernel/debug/compaction/failures", -1 },
};

static size_t any_text(char *text, size_t size)
{
	static const char * const word[] = { "always", "madvise", "never" };
	size_t len, i;

	switch (of(4)) {
	case 0:
		for (len = of(size), i = 0; i < len; i++)
			text[i] = cu_rand(&rng);
		return len;
	case 1:
		return snprintf(text, size, "%s", word[of(ARRAY_SIZE(word))]);
	case 2:
		return snprintf(text, size, "%ld\n", any_number());
	default:
		return snprintf(text, size, "%ld", any_number());
	}
}

static void call_file(void)
{
	const struct knob_range *knob = &ranges[of(ARRAY_SIZE(ranges))];
	char text[256];
	size_t len = any_text(text, sizeof(text));
	long is = cu_write_buf(knob->path, text, len);

	errno = is < 0 ? -is : 0;
	look_at(A_FILE, is < 0 ? -1 : is, len, len);
	if (knob->most < 0)
		return;
	is = cu_read_long(knob->path);
	if (is < 0 || is > knob->most)
		is_wrong(knob->path, is, "is out of range");
}

static void (*const calls[])(void) = {
	call_map, call_move_pages, call_migrate_pages, call_mbind, call_policy,
	call_home, call_madvise, call_mremap, call_protect, call_file,
};

static char *map_nothing(size_t len)
{
	char *area = mmap(NULL, len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		_exit(1);
	return area;
}

/* The stack has to be there before memory is all that the limit allows. */
static void make_stack(void)
{
	char stack[128 * 1024];
	size_t i;

	for (i = 0; i < sizeof(stack); i += cu_psize)
		cu_touch(stack + i, i);
}

static void child(__u64 seed)
{
	struct rlimit limit = { .rlim_cur = LIMIT, .rlim_max = LIMIT };
	int i;

	cu_write_long("/proc/self/oom_score_adj", 1000);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_stack();
	setrlimit(RLIMIT_AS, &limit);
	cu_rng_seed(&rng, seed);
	for (i = 0; i < 3; i++) {
		char *page = map_nothing(2 * cu_psize);

		if (mprotect(page, cu_psize, PROT_READ | PROT_WRITE))
			_exit(1);
		words[i] = (long *)(page + cu_psize) - NR_WORDS;
	}
	/* Behind it, room for what reaches beyond. */
	arena = map_nothing(ARENA + 2 * MAPPED);
	for (i = 0; i < LIFE_CALLS && cu_now_ms() < told->end; i++)
		calls[of(ARRAY_SIZE(calls))]();
	_exit(0);
}

/* Returns how many children have not come to their end. */
static unsigned long run(void)
{
	unsigned long nr = 0, died = 0, running = 0;
	int status;

	told->end = cu_now_ms() + opt.seconds * 1000;
	while (running || cu_now_ms() < told->end) {
		if (running < NR_CHILDREN && cu_now_ms() < told->end) {
			if (!cu_fork())
				child(opt.seed + nr);
			nr++;
			running++;
			continue;
		}
		if (wait(&status) < 0)
			break;
		running--;
		if (status) {
			ksft_print_msg("a child ended with %x\n", status);
			died++;
		}
	}
	return died;
}

static void look_around(void)
{
	static struct cu_zones zones;
	int i;

	if (cu_read_zones(&zones))
		ksft_exit_fail_msg("cannot read the zones\n");
	for (i = 0; i < zones.nr; i++)
		nodes |= 1ULL << zones.zone[i].node;
	/* Would be kept for a while, and nobody accounts for it. */
	knob_set(ZERO_PAGE, "0");
	/* What they are now they are again when the program ends. */
	for (i = 0; i < (int)ARRAY_SIZE(ranges); i++)
		if (ranges[i].most >= 0 && knob_set(ranges[i].path, "1"))
			ksft_exit_fail_msg("%s cannot be set\n", ranges[i].path);
}

static void make_witness(void)
{
	size_t i;

	witness = cu_map(WITNESS_PAGES);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED || !witness)
		ksft_exit_fail_msg("no memory\n");
	for (i = 0; i < WITNESS_PAGES; i++)
		cu_page_fill(witness + i * cu_psize, opt.seed, i);
}

static size_t witness_bad(void)
{
	size_t bad = 0, i;

	for (i = 0; i < WITNESS_PAGES; i++)
		bad += !cu_page_ok(witness + i * cu_psize, opt.seed, i);
	return bad;
}

static size_t witness_moved(const __u64 *was)
{
	static __u64 is[WITNESS_PAGES];
	size_t moved = 0, i;

	if (cu_pfns(witness, WITNESS_PAGES, is))
		return 0;
	for (i = 0; i < WITNESS_PAGES; i++)
		moved += is[i] && is[i] != was[i];
	return moved;
}

/* Each call has been done at least once, and none has said what it cannot. */
static void test_answers(void)
{
	unsigned long sum = 0, well = 0, never = 0;
	size_t i;

	for (i = 0; i < NR_CALLS; i++) {
		ksft_print_msg("%s: %lu times, %lu done\n", call_name[i],
			       told->calls[i], told->well[i]);
		sum += told->calls[i];
		well += told->well[i];
		never += !told->well[i];
	}
	if (told->wrong)
		ksft_print_msg("first: %s\n", told->first);
	ksft_test_result(!told->wrong && !never,
			 "%lu calls, %lu of them done, %lu wrong answers, %lu never done\n",
			 sum, well, told->wrong, never);
}

static const struct cu_option options[] = {
	{ "seconds", "N", &opt.seconds, 0, 100000 },
	{ }
};

int main(int argc, char **argv)
{
	static __u64 was[WITNESS_PAGES];
	unsigned long died;
	struct rest rest;
	const char *why;
	size_t moved;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	why = scene_set("madvise");
	if (!why && (!rest_begin() || free_audit(&rest.audit)))
		why = "needs the kernel's log, and the audit of the lab";
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(4);
	ksft_print_msg("seed %llu\n", opt.seed);
	parent = getpid();
	look_around();
	make_witness();
	look_twice(&rest);
	if (cu_pfns(witness, WITNESS_PAGES, was))
		ksft_exit_fail_msg("where pages are is not to be known\n");

	died = run();
	/* or somebody might be at work */
	cu_write_text(THP_ENABLED, "never");
	cu_write_text(KHUGEPAGED "defrag", "0");
	cu_write_text(CU_PROACTIVE, "0");
	moved = witness_moved(was);
	test_answers();
	ksft_test_result(!died, "%lu callers died\n", died);
	ksft_test_result(moved > WITNESS_PAGES / 2 && !witness_bad(),
			 "%zu of %d pages have moved, and kept their contents\n",
			 moved, WITNESS_PAGES);
	ksft_test_result(at_rest(&rest) && !negative_reports(),
			 "no page is isolated, lost or counted twice\n");
	ksft_finished();
}
