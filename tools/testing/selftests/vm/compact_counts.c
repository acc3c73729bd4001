// SPDX-License-Identifier: GPL-2.0
/*
 * Audits the kernel's page accounting over many runs of memory compaction.
 *
 * Each round a random part of a large area is given back and another part is
 * touched again, and memory is compacted. At rest after a round:
 *  - nr_free_pages of each zone equals what its free lists hold. Pages on the
 *    per-cpu lists are in neither: they leave the free lists in bulk, and
 *    nr_free_pages with them, when a per-cpu list is filled;
 *  - no page is counted as isolated, for the system and for each node;
 *  - the pages accounted for are as many as before the first round. These are
 *    the free pages, those on per-cpu lists and on the LRU lists, slab, page
 *    tables and kernel stacks. The sum does not care what a page is used for,
 *    so it holds still while memory is filled and freed, and still loses
 *    one for each page that is on no list any more.
 * At the end everything is given back, and free memory has to return to what
 * it was at the start.
 *
 * What makes it fail: a free page taken and not put back, or put back without
 * counting it (or counted twice); a page taken from the LRU and not put back;
 * a reference or an isolated count that stays. One page in each round is
 * enough: the bound on pages missing is less than the number of rounds. With
 * --leak 1 the test loses a page a round itself, and has to fail.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "compact_util.h"

/* Rounds before the first reading: the first ones fill the kernel's caches. */
#define WARM_UP		5
/*
 * Pages that come and go without compaction, whatever the number of rounds:
 * 23 have been seen, taken for slab, per-cpu data and the like.
 */
#define NOISE		32
/* klogctl(): reads the whole kernel log. The C library has no name for it. */
#define SYSLOG_READ_ALL	3
/* Looks at counters that should agree: interrupts and timers also move them. */
#define RETRIES		50
#define RETRY_MS	10

static struct {
	__u64 seed;
	unsigned long rounds;
	unsigned long fill;
	unsigned long churn;
	unsigned long bound;
	unsigned long leak;
} opt = { .seed = 1, .rounds = 100, .fill = 50, .churn = 5 };

/* Counted by /proc/vmstat in pages; nr_kernel_stack is in KiB, see below. */
static const char * const held_name[] = {
	"nr_zone_inactive_anon",
	"nr_zone_active_anon",
	"nr_zone_inactive_file",
	"nr_zone_active_file",
	"nr_zone_unevictable",
	"nr_slab_reclaimable",
	"nr_slab_unreclaimable",
	"nr_page_table_pages",
};

struct audit {
	long unequal;		/* nr_free_pages against the free lists */
	long isolated;
	long free;		/* free, and on per-cpu lists */
	long accounted;
};

struct result {
	unsigned long unequal_rounds;
	unsigned long isolated_rounds;
	long missing;		/* the most after any round */
};

static char *area;
static size_t area_pages;
static struct cu_rng rng;

static void look(struct audit *audit)
{
	static struct cu_zones zones;
	size_t i;
	int z;

	memset(audit, 0, sizeof(*audit));
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	if (cu_read_zones(&zones))
		ksft_exit_fail_msg("cannot read the free memory\n");
	for (z = 0; z < zones.nr; z++) {
		struct cu_zone *zone = &zones.zone[z];
		long listed = cu_buddy_pages(zone, 0);

		audit->unequal += labs((long)zone->free - listed);
		audit->isolated += zone->isolated;
		audit->free += listed + zone->pcp;
	}
	audit->isolated += cu_vmstat("nr_isolated_anon") +
			   cu_vmstat("nr_isolated_file");
	audit->accounted = audit->free +
			   cu_vmstat("nr_kernel_stack") * 1024 / (long)cu_psize;
	for (i = 0; i < ARRAY_SIZE(held_name); i++)
		audit->accounted += cu_vmstat(held_name[i]);
}

/* Looks until the counters are right, and if they never are, the last look. */
static void look_at_rest(struct audit *audit, long accounted)
{
	int i;

	for (i = 0; i < RETRIES; i++) {
		look(audit);
		if (!audit->unequal && !audit->isolated &&
		    audit->accounted + (long)opt.bound >= accounted)
			return;
		cu_sleep_ms(RETRY_MS);
	}
}

/*
 * A count below zero reads as 0, but stat_refresh reports it in the kernel
 * log. Returns how many such reports the log holds.
 */
static long negative_reports(void)
{
	static char log[1024 * 1024];
	const char *at = log;
	long nr = 0;
	int len;

	len = klogctl(SYSLOG_READ_ALL, log, sizeof(log) - 1);
	if (len < 0)
		ksft_exit_fail_msg("cannot read the kernel log\n");
	log[len] = '\0';
	while ((at = strstr(at, "vmstat_refresh: nr_"))) {
		nr++;
		at++;
	}
	return nr;
}

static void run_compaction(void)
{
	int err = cu_compact();

	if (err)
		ksft_exit_fail_msg("no compaction: %s\n", strerror(-err));
}

static void churn(void)
{
	unsigned int percent = 1 + cu_rand(&rng) % (2 * opt.churn);
	size_t i;

	cu_free_random(area, area_pages, 100 - percent, &rng, NULL);
	for (i = 0; i < area_pages; i++)
		if (cu_chance(&rng, percent))
			cu_touch(area + i * cu_psize, i);
}

static void give_back_all(void)
{
	madvise(area, area_pages * cu_psize, MADV_DONTNEED);
	/* Clean cache goes too, so that it cannot go in between. */
	sync();
	cu_drop_caches();
	run_compaction();
	cu_sleep_ms(100);
}

/* A page in a pipe is on no list. In packet mode each write takes a new one. */
static void lose_page(void)
{
	static int pipe_end[2];
	static unsigned int used;

	/* As many packets as the kernel takes before it blocks. */
	if (used % 16 == 0 && pipe2(pipe_end, O_DIRECT))
		ksft_exit_fail_msg("no pipe\n");
	if (write(pipe_end[1], "x", 1) == 1)
		used++;
}

static void fill(void)
{
	size_t i;

	for (i = 0; i < area_pages; i++)
		cu_touch(area + i * cu_psize, i);
}

static void warm_up(void)
{
	int i;

	fill();
	for (i = 0; i < WARM_UP; i++) {
		churn();
		run_compaction();
	}
	give_back_all();
}

static void run_rounds(struct result *res, long accounted)
{
	struct audit audit;
	unsigned long i, lost;

	fill();
	for (i = 0; i < opt.rounds; i++) {
		churn();
		for (lost = 0; lost < opt.leak; lost++)
			lose_page();
		run_compaction();
		look_at_rest(&audit, accounted);
		res->unequal_rounds += !!audit.unequal;
		res->isolated_rounds += !!audit.isolated;
		if (audit.unequal || audit.isolated)
			ksft_print_msg("round %lu: unequal %ld isolated %ld\n",
				       i, audit.unequal, audit.isolated);
		if (accounted - audit.accounted > res->missing)
			res->missing = accounted - audit.accounted;
	}
}

static void test_counts(void)
{
	struct result res = { 0 };
	struct audit start, end;
	long reports, moved;

	reports = negative_reports();
	moved = cu_vmstat("pgmigrate_success");
	warm_up();
	look_at_rest(&start, 0);
	run_rounds(&res, start.accounted);
	give_back_all();
	look_at_rest(&end, start.accounted);
	reports = negative_reports() - reports;
	moved = cu_vmstat("pgmigrate_success") - moved;

	ksft_print_msg("%lu rounds on %zu pages, %ld pages moved\n",
		       opt.rounds, area_pages, moved);
	if (opt.bound >= opt.rounds)
		ksft_print_msg("so few rounds cannot show a page lost in each\n");
	ksft_print_msg("free pages: %ld at the start, %ld at the end\n",
		       start.free, end.free);
	ksft_print_msg("accounted pages: %ld at the start, %ld at the end\n",
		       start.accounted, end.accounted);
	ksft_test_result(moved > (long)opt.rounds * 10,
			 "compaction moves pages (%ld)\n", moved);
	ksft_test_result(!res.unequal_rounds && !end.unequal,
			 "nr_free_pages is what the free lists hold\n");
	ksft_test_result(!res.isolated_rounds && !end.isolated,
			 "no page stays isolated\n");
	ksft_test_result(!reports, "no count is below zero (%ld reports)\n",
			 reports);
	ksft_test_result(res.missing <= (long)opt.bound,
			 "no page is lost in the rounds (%ld missing, up to %lu is noise)\n",
			 res.missing, opt.bound);
	ksft_test_result(start.free - end.free <= (long)opt.bound,
			 "all free memory comes back (%ld missing, up to %lu is noise)\n",
			 start.free - end.free, opt.bound);
}

static const struct cu_option options[] = {
	{ "rounds", "N", &opt.rounds, 0, 1000000 },
	{ "fill", "PERCENT", &opt.fill, 0, 80 },
	{ "churn", "PERCENT", &opt.churn, 1, 50 },
	{ "bound", "PAGES", &opt.bound, 0, ~0UL >> 1 },
	{ "leak", "PAGES", &opt.leak, 0, 16 },
	{ }
};

int main(int argc, char **argv)
{
	long proactive;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	/* Half a page a round: a whole one is seen, noise is not. */
	if (!opt.bound)
		opt.bound = opt.rounds / 2 > NOISE ? opt.rounds / 2 : NOISE;
	ksft_print_header();
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	ksft_set_plan(6);

	cu_rng_seed(&rng, opt.seed);
	area_pages = cu_meminfo("MemAvailable") * opt.fill / 100;
	area = cu_map(area_pages);
	if (!area)
		ksft_exit_fail_msg("cannot map %zu pages\n", area_pages);
	/* The kernel's own compaction would be at work while we look. */
	proactive = cu_swap_knob(CU_PROACTIVE, 0);
	test_counts();
	if (proactive >= 0)
		cu_write_long(CU_PROACTIVE, proactive);
	ksft_finished();
}
