// SPDX-License-Identifier: GPL-2.0
/*
 * Shows what one run of memory compaction does to fragmented free memory.
 *
 * Most of memory is filled with single pages, a random half of them is given
 * back, and what is free then lies in small holes. One write to
 * /proc/sys/vm/compact_memory has to gather the holes into huge pages.
 *
 * What it proves: compaction moves the pages that are in use together, nearly
 * all of the free memory ends in blocks of huge page size, and no page that
 * was moved lost or changed its contents.
 *
 * Free pages on the per-cpu lists are neither in use nor on the free lists, and
 * as long as they are there no block around them can grow. After the filling
 * there are thousands of them: part of the problem that compaction has to solve.
 *
 * What makes it fail: a scanner that stops early or passes over pages that
 * could move (the share stays low, or no huge page is won); free pages handed
 * back in small pieces; a page copied wrongly, twice, or not at all.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest.h"
#include "compact_util.h"

#define BAR_WIDTH	40
/* Left alone by the filling, whatever was asked: room for the kernel. */
#define RESERVE_MIB	24

static struct {
	__u64 seed;
	unsigned long fill;
	unsigned long keep;
	unsigned long share;
	bool quiet;
	bool tap;
} opt = { .seed = 1, .fill = 90, .keep = 50, .share = 970 };

/* What compaction counts. */
static const char * const counter_name[] = {
	"compact_migrate_scanned",
	"compact_free_scanned",
	"compact_isolated",
	"pgmigrate_success",
	"pgmigrate_fail",
};

#define NR_COUNTERS ARRAY_SIZE(counter_name)

struct state {
	struct cu_zones zones;
	long counter[NR_COUNTERS];
};

static char *area;
static size_t area_pages;
static __u8 *kept;

static void read_state(struct state *state)
{
	size_t i;

	/* Without it the counters of other CPUs come in up to a second late. */
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	for (i = 0; i < NR_COUNTERS; i++)
		state->counter[i] = cu_vmstat(counter_name[i]);
	if (cu_read_zones(&state->zones))
		ksft_exit_fail_msg("cannot read the free memory\n");
}

/* Of the free memory, the part in blocks of huge page size, in permille. */
static unsigned long huge_share(const struct cu_zones *zones)
{
	unsigned int order = cu_huge_order();
	unsigned long huge = 0, all = 0;
	int i;

	for (i = 0; i < zones->nr; i++) {
		huge += cu_buddy_pages(&zones->zone[i], order);
		all += cu_buddy_pages(&zones->zone[i], 0);
	}
	return all ? huge * 1000 / all : 0;
}

static void print_zone(const struct cu_zone *zone, int orders)
{
	unsigned long all = cu_buddy_pages(zone, 0);
	int order, len;

	if (!all)
		return;
	ksft_print_msg("node %d zone %s: %lu MiB free\n", zone->node,
		       zone->name, all * cu_psize >> 20);
	ksft_print_msg("  order   blocks  share\n");
	for (order = 0; order < orders; order++) {
		unsigned long pages = zone->blocks[order] << order;

		len = (pages * BAR_WIDTH + all / 2) / all;
		ksft_print_msg("  %5d %8lu %5.1f%%%s%.*s\n", order,
			       zone->blocks[order], 100.0 * pages / all,
			       len ? " " : "", len,
			       "########################################");
	}
}

static void print_state(const char *when, const struct state *state)
{
	unsigned long share = huge_share(&state->zones);
	int i;

	if (opt.quiet)
		return;
	ksft_print_msg("\n");
	ksft_print_msg("%s: %lu.%lu %% of free memory in huge pages (%lu)\n",
		       when, share / 10, share % 10,
		       cu_huge_free(&state->zones));
	for (i = 0; i < state->zones.nr; i++)
		print_zone(&state->zones.zone[i], state->zones.orders);
}

static void print_counters(const struct state *before,
			   const struct state *after, long ms)
{
	size_t i;

	if (opt.quiet)
		return;
	ksft_print_msg("\n");
	ksft_print_msg("compaction took %ld ms\n", ms);
	for (i = 0; i < NR_COUNTERS; i++)
		ksft_print_msg("  %-24s %10ld\n", counter_name[i],
			       after->counter[i] - before->counter[i]);
}

static void fill_memory(void)
{
	unsigned long reserve = (RESERVE_MIB << 20) / cu_psize;
	unsigned long avail = cu_meminfo("MemAvailable");
	size_t i;

	area_pages = cu_meminfo("MemTotal") * opt.fill / 100;
	/* More than there is would only wake the OOM killer. */
	if (area_pages + reserve > avail)
		area_pages = avail > reserve ? avail - reserve : 0;
	area = area_pages ? cu_map(area_pages) : NULL;
	kept = calloc(1, area_pages / 8 + 1);
	if (!area || !kept)
		ksft_exit_fail_msg("cannot map %zu pages\n", area_pages);
	for (i = 0; i < area_pages; i++)
		cu_page_fill(area + i * cu_psize, opt.seed, i);
}

static size_t bad_pages(void)
{
	size_t bad = 0, i;

	for (i = 0; i < area_pages; i++)
		if (cu_bit(kept, i))
			bad += !cu_page_ok(area + i * cu_psize, opt.seed, i);
	return bad;
}

static void fragment_memory(void)
{
	struct cu_rng rng;
	size_t left;

	fill_memory();
	cu_rng_seed(&rng, opt.seed);
	left = cu_free_random(area, area_pages, opt.keep, &rng, kept);
	if (!opt.quiet)
		ksft_print_msg("filled %zu pages, kept %zu (seed %lu)\n",
			       area_pages, left, (unsigned long)opt.seed);
}

static void report_tap(const struct state *before, const struct state *after,
		       long ms, size_t bad)
{
	unsigned long share = huge_share(&after->zones);

	ksft_print_msg("share_permille=%lu huge_before=%lu huge_after=%lu",
		       share, cu_huge_free(&before->zones),
		       cu_huge_free(&after->zones));
	printf(" moved=%ld migrate_scanned=%ld free_scanned=%ld ms=%ld\n",
	       after->counter[3] - before->counter[3],
	       after->counter[0] - before->counter[0],
	       after->counter[1] - before->counter[1], ms);
	ksft_test_result(share >= opt.share,
			 "free memory is in huge pages (%lu permille, %lu wanted)\n",
			 share, opt.share);
	ksft_test_result(!bad, "contents of all pages hold (%zu bad)\n", bad);
	ksft_finished();
}

static int report_human(const struct state *before,
			const struct state *after, size_t bad)
{
	unsigned long huge_before = cu_huge_free(&before->zones);
	unsigned long huge_after = cu_huge_free(&after->zones);

	if (bad)
		printf("%zu pages have wrong contents\n", bad);
	else if (!opt.quiet)
		printf("# contents of all pages hold\n");
	printf("huge pages: %lu before, %lu after\n", huge_before, huge_after);
	return bad || huge_after <= huge_before ? KSFT_FAIL : KSFT_PASS;
}

static void usage(void)
{
	fprintf(stderr,
		"compact_effect [--seed N] [--fill PERCENT] [--keep PERCENT]\n"
		"\t[--share PERMILLE] [--quiet] [--tap]\n");
	exit(KSFT_FAIL);
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "fill", required_argument, NULL, 'f' },
		{ "keep", required_argument, NULL, 'k' },
		{ "share", required_argument, NULL, 'S' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "tap", no_argument, NULL, 't' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			opt.seed = cu_number(optarg, ~0UL);
		else if (c == 'f')
			opt.fill = cu_number(optarg, 95);
		else if (c == 'k')
			opt.keep = cu_number(optarg, 100);
		else if (c == 'S')
			opt.share = cu_number(optarg, 1000);
		else if (c == 'q')
			opt.quiet = true;
		else if (c == 't')
			opt.tap = true;
		else
			usage();
	}
	if (optind < argc)
		usage();
}

/* Compacts between two readings; returns how long it took. */
static long compact(struct state *before, struct state *after)
{
	long ms;

	read_state(before);
	print_state("before", before);
	ms = cu_now_ms();
	if (cu_compact())
		ksft_exit_fail_msg("cannot write to %s\n", CU_COMPACT);
	ms = cu_now_ms() - ms;
	read_state(after);
	print_state("after", after);
	print_counters(before, after, ms);
	return ms;
}

int main(int argc, char **argv)
{
	static struct state before, after;
	long proactive, ms;
	size_t bad;

	cu_init();
	parse(argc, argv);
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	if (opt.tap) {
		ksft_print_header();
		ksft_set_plan(2);
	}

	/* Or the kernel might compact by itself before we look. */
	proactive = cu_swap_knob(CU_PROACTIVE, 0);
	fragment_memory();
	ms = compact(&before, &after);
	bad = bad_pages();
	cu_unmap(area, area_pages);
	if (proactive >= 0)
		cu_write_long(CU_PROACTIVE, proactive);

	if (opt.tap)
		report_tap(&before, &after, ms, bad);
	return report_human(&before, &after, bad);
}
