// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says about compaction that got nowhere, in debugfs and in the
 * event mm_compaction_failure.
 *
 * Each scene has one reason why memory in pieces stays so. The reason has to be
 * counted, as often as the scene has it, and others must not; and what is counted
 * is what the events say, one by one.
 *
 * What makes it fail: a reason that is taken for another, counted twice or not at
 * all, or told in only one of the two places.
 *
 * Reasons that nobody can bring about without a driver or luck are left out: huge,
 * percpu, busy, file, writeback, dirty, locked. So is target: that a run ends
 * because the two scanners have met is how most of them end.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"
#include "compact_failures.h"

#define NR_PINS		1024
#define PIPE_PAGES	256
#define NR_PIPES	(NR_PINS / PIPE_PAGES)
#define NR_FAULTS	16
#define FIRST_FAULTS	64
#define FIRST_PAGES	8192

static struct pool pool;
static struct demand easy;

static void test_format(void)
{
	ksft_test_result(read_failures(before),
			 "%s has a line for each zone and reason\n", FAILURES);
}

static void test_unmovable(void)
{
	pool_scatter(&pool);
	begin_scene("0");
	cu_compact();
	free(end_scene("unmovable"));
	ksft_test_result(since[UNMOVABLE].pages > 0 &&
			 since[UNMOVABLE].blocks > 0 && only(0),
			 "unmovable: %ld pages in %ld blocks\n",
			 since[UNMOVABLE].pages, since[UNMOVABLE].blocks);
	ksft_test_result(events_agree(true), "unmovable: events agree\n");
}

/* Pages in pipes: the pipe holds a reference that nobody can move. */

struct pin {
	__u64 pfn;
	unsigned int seen;
};

static struct pin pins[NR_PINS];
static int pipes[NR_PIPES][2];

static int compare_pins(const void *a, const void *b)
{
	const struct pin *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

static void pin(unsigned int nr, size_t page)
{
	struct iovec iov = { pool.area + page * cu_psize, cu_psize };

	cu_pfns(iov.iov_base, 1, &pins[nr].pfn);
	if (vmsplice(pipes[nr / PIPE_PAGES][1], &iov, 1, SPLICE_F_NONBLOCK) !=
	    (ssize_t)cu_psize)
		ksft_exit_fail_msg("cannot put a page into a pipe\n");
}

/* Spread evenly over those that are there and on stage. */
static void pin_pages(__u64 *pfn)
{
	size_t step = pool.pages / NR_PINS, i, at = 0;

	for (i = 0; i < NR_PIPES; i++)
		if (pipe(pipes[i]) ||
		    fcntl(pipes[i][1], F_SETPIPE_SZ, PIPE_PAGES * cu_psize) < 0)
			ksft_exit_fail_msg("no pipe\n");
	cu_pfns(pool.area, pool.pages, pfn);
	for (i = 0; i < NR_PINS; i++) {
		at = i * step;
		while (at < pool.pages && zone_of(&machine, pfn[at]) != stage)
			at++;
		pin(i, at);
	}
	qsort(pins, NR_PINS, sizeof(pins[0]), compare_pins);
}

/*
 * The run goes through a block from its bottom: up to the last pinned page of a block
 * that it told of, it has to have told of all. Returns how often it told of a page
 * that was not pinned here, or had been told of.
 */
static size_t find_pins(const char *text, size_t *told, size_t *missing)
{
	struct event event;
	struct pin *found, key;
	unsigned int order = cu_huge_order();
	size_t strangers = 0, i;
	__u64 last = 0;

	*told = 0;
	*missing = 0;
	while (trace_next(&text, &event)) {
		if (!trace_is(&event, "reason", "pinned") || !on_stage(&event))
			continue;
		key.pfn = trace_number(&event, "pfn");
		found = bsearch(&key, pins, NR_PINS, sizeof(key), compare_pins);
		if (found)
			found->seen++;
		else
			strangers++;
	}
	for (i = NR_PINS; i--;) {
		*told += !!pins[i].seen;
		*missing += !pins[i].seen && pins[i].pfn >> order == last;
		last = pins[i].seen ? pins[i].pfn >> order : last;
		strangers += pins[i].seen > 1 ? pins[i].seen - 1 : 0;
	}
	return strangers;
}

static size_t pinned_blocks(void)
{
	unsigned int order = cu_huge_order();
	size_t blocks = 0, i;
	__u64 last = 0;

	for (i = 0; i < NR_PINS; i++) {
		blocks += pins[i].seen && pins[i].pfn >> order != last;
		if (pins[i].seen)
			last = pins[i].pfn >> order;
	}
	return blocks;
}

static void test_pinned(void)
{
	__u64 *pfn = calloc(pool.pages, sizeof(*pfn));
	size_t told, missing, strangers, i;
	char *text;

	if (!pfn)
		ksft_exit_fail_msg("no memory\n");
	pool_scatter(&pool);
	pin_pages(pfn);
	begin_scene("0");
	cu_compact();
	text = end_scene("pinned");
	strangers = find_pins(text, &told, &missing);
	free(text);
	free(pfn);
	ksft_print_msg("pinned: %d pages, told of %zu in %zu blocks, %zu missing, %zu others\n",
		       NR_PINS, told, pinned_blocks(), missing, strangers);
	ksft_test_result(told >= NR_PINS / 4 && !missing &&
			 strangers <= NOISE && only(BIT(PINNED)),
			 "pinned: each of the pages that are, and no other\n");
	ksft_test_result(since[PINNED].pages == (long)(told + strangers) &&
			 since[PINNED].blocks >= (long)pinned_blocks() &&
			 since[PINNED].blocks <= (long)(pinned_blocks() +
							strangers) &&
			 events_agree(true), "pinned: events agree\n");
	for (i = 0; i < NR_PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static bool is_full(const __u8 *free_map, size_t start, size_t end)
{
	for (; start < end; start++)
		if (cu_bit(free_map, start))
			return false;
	return true;
}

static size_t free_pages(__u8 **map)
{
	size_t nr = cu_scan_kpageflags(cu_kpf(CU_KPF_BUDDY), cu_kpf(CU_KPF_BUDDY), map);

	if (!nr)
		ksft_exit_fail_msg("cannot see which pages are free\n");
	return nr;
}

/*
 * The pages of the pool at the bottom of the stage; and those of them in blocks that
 * were full before the run or became so in it, as others were moved there: of such a
 * block a run tells no more than the first page that stays.
 */
static long pages_below(__u64 top, const __u8 *before, const __u8 *after, size_t nr,
			long *in_full)
{
	__u64 *pfn = calloc(pool.pages, sizeof(*pfn));
	size_t size = 1UL << cu_huge_order(), i;
	long pages = 0;

	if (!pfn || cu_pfns(pool.area, pool.pages, pfn))
		ksft_exit_fail_msg("cannot see where the pages are\n");
	*in_full = 0;
	for (i = 0; i < pool.pages; i++) {
		size_t block = pfn[i] / size * size;
		size_t end = block + size < nr ? block + size : nr;

		if (pfn[i] < stage->start || pfn[i] >= top)
			continue;
		pages++;
		*in_full += is_full(before, block, end) || is_full(after, block, end);
	}
	free(pfn);
	return pages;
}

/*
 * As many pages as there are on stage. So many events would not be kept: those of the
 * first pages do.
 */
static void test_mlocked(void)
{
	__u64 top = stage->start + FIRST_PAGES;
	long moved, locked, full, first, first_full;
	__u8 *before, *after;
	char filter[32];
	size_t nr;

	pool_scatter(&pool);
	if (pool_nail(&pool))
		ksft_exit_fail_msg("cannot lock pages in memory\n");
	snprintf(filter, sizeof(filter), "pfn < %llu", top);
	nr = free_pages(&before);
	begin_scene(filter);
	moved = cu_vmstat("pgmigrate_success");
	cu_compact();
	free(end_scene("mlocked"));
	moved = cu_vmstat("pgmigrate_success") - moved;
	if (free_pages(&after) != nr)
		ksft_exit_fail_msg("memory has come or gone\n");
	locked = pages_below(stage->start + stage->spanned, before, after, nr, &full);
	first = pages_below(top, before, after, nr, &first_full);
	free(before);
	free(after);
	pool_unnail(&pool);
	ksft_print_msg("mlocked: %ld others moved\n", moved);
	ksft_test_result(locked > 2 * full &&
			 since[MLOCKED].pages >= locked - full - NOISE &&
			 since[MLOCKED].pages <= locked + NOISE &&
			 since[MLOCKED].blocks > locked >> cu_huge_order() &&
			 moved < locked / 10 && only(BIT(MLOCKED)),
			 "mlocked: told of %ld pages of %ld, %ld of them in full blocks, in %ld blocks\n",
			 since[MLOCKED].pages, locked, full, since[MLOCKED].blocks);
	ksft_test_result(first > first_full &&
			 events[MLOCKED].pages >= first - first_full - NOISE &&
			 events[MLOCKED].pages <= first + NOISE,
			 "mlocked: events tell of %ld pages of %ld, %ld of them in full blocks\n",
			 events[MLOCKED].pages, first, first_full);
}

/* A task that is killed while it compacts. */
static void test_contended(void)
{
	long moved = cu_vmstat("pgmigrate_success");
	pid_t pid;

	pool_scatter(&pool);
	begin_scene("pfn == 0");
	pid = cu_fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			cu_compact();
	}
	while (cu_vmstat("pgmigrate_success") < moved + NR_PINS)
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	free(end_scene("contended"));
	ksft_test_result(since[CONTENDED].runs == 1 && only(BIT(CONTENDED)),
			 "contended: %ld runs\n", since[CONTENDED].runs);
	ksft_test_result(events_agree(false), "contended: events agree\n");
}

/* Those that want a huge page where none is to be had. */

static void want_in_vain(const char *name)
{
	struct demand want;

	begin_scene("pfn == 0");
	if (demand_map(&want, NR_FAULTS))
		ksft_exit_fail_msg("no memory\n");
	demand_fault(&want, 0, NR_FAULTS);
	free(end_scene(name));
	demand_unmap(&want);
}

static void in_pieces(void)
{
	pool_scatter(&pool);
	if (demand_easy(&easy, "madvise"))
		ksft_exit_fail_msg("no memory\n");
}

static void test_threshold(void)
{
	long stalls = cu_vmstat("compact_stall");

	in_pieces();
	knob_set(CU_THRESHOLD, "1000");
	want_in_vain("threshold");
	knob_set(CU_THRESHOLD, "500");
	stalls = cu_vmstat("compact_stall") - stalls;
	demand_unmap(&easy);
	ksft_test_result(since[THRESHOLD].runs >= NR_FAULTS && !stalls &&
			 only(BIT(THRESHOLD)), "threshold: %ld runs, %ld stalls\n",
			 since[THRESHOLD].runs, stalls);
	ksft_test_result(events_agree(true), "threshold: events agree\n");
}

/*
 * The watermark is so high that one huge page is free above it, where it would take two.
 * What the per-cpu lists hold and reclaim can find is used up by other faults first.
 * Some may get one all the same, after having been turned away.
 */
static void test_watermark(void)
{
	long was = cu_read_long(MIN_FREE), pages, failed;
	struct demand first;

	in_pieces();
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	if (cu_read_zones(&machine))
		ksft_exit_fail_msg("cannot read the zones\n");
	pages = stage->free - (1L << cu_huge_order());
	cu_write_long(MIN_FREE, pages * managed() / stage->managed *
		      (cu_psize / 1024));
	if (demand_map(&first, FIRST_FAULTS))
		ksft_exit_fail_msg("no memory\n");
	demand_fault(&first, 0, FIRST_FAULTS);
	failed = cu_vmstat("thp_fault_fallback");
	want_in_vain("watermark");
	failed = cu_vmstat("thp_fault_fallback") - failed;
	cu_write_long(MIN_FREE, was);
	demand_unmap(&first);
	demand_unmap(&easy);
	ksft_test_result(since[WATERMARK].runs >= NR_FAULTS &&
			 failed >= NR_FAULTS / 2 &&
			 only(BIT(WATERMARK)), "watermark: %ld runs, %ld faults\n",
			 since[WATERMARK].runs, failed);
	ksft_test_result(events_agree(false), "watermark: events agree\n");
}

/*
 * What keeps on failing is skipped more and more often. Runs that find pages of
 * others to move, and no place for them, are of no concern.
 */
static void test_deferred(void)
{
	in_pieces();
	if (pool_nail(&pool))
		ksft_exit_fail_msg("cannot lock pages in memory\n");
	want_in_vain("deferred");
	pool_unnail(&pool);
	demand_unmap(&easy);
	ksft_test_result(since[DEFERRED].runs >= NR_FAULTS / 4 &&
			 since[MLOCKED].pages > 0 &&
			 only(BIT(DEFERRED) | BIT(MLOCKED) | BIT(TARGET)),
			 "deferred: %ld runs\n", since[DEFERRED].runs);
	ksft_test_result(events_agree(false), "deferred: events agree\n");
}

int main(int argc, char **argv)
{
	const char *why;
	__u64 seed = 1;

	cu_init();
	cu_parse(argc, argv, &seed, NULL);
	ksft_print_header();
	why = scene_set("madvise");
	if (!why && access(FAILURES, R_OK))
		why = "the kernel does not say why compaction fails";
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(15);

	set_stage();
	test_format();
	if (pool_make(&pool, seed))
		ksft_exit_fail_msg("no memory\n");
	test_unmovable();
	test_pinned();
	test_mlocked();
	test_contended();
	test_threshold();
	test_watermark();
	test_deferred();
	ksft_finished();
}
