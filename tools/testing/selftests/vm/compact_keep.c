// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of several kinds that is there while others make the machine's life hard,
 * and is compared again and again with what was written to it: anonymous, shared,
 * partly swapped, huge, of hugetlb, and of files. It asks for nothing itself; who
 * moves its pages is at work beside it.
 *
 * What makes it fail: a page that moves, goes out to swap and comes back, or is
 * split, and is not what it was.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_mixture.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define MERGED_PAGES	512
#define SAME		4	/* so many pages have the same contents */
#define STEP		(2 * SAME)

static unsigned long seconds = 10;
static char *merged;
static unsigned int version[MERGED_PAGES];

static const struct cu_option options[] = {
	{ "seconds", "N", &seconds, 0, 100000 },
	{ }
};

/* What is in a page: the same as in its neighbours, or a version of its own. */
static __u64 contents_of(size_t i)
{
	return (__u64)version[i] << 32 | i / SAME;
}

static void rewrite_merged(size_t first, unsigned int to)
{
	size_t i;

	for (i = first; i < MERGED_PAGES; i += STEP) {
		version[i] = to;
		cu_page_fill(merged + i * cu_psize, mix_seed + NR_KINDS, contents_of(i));
	}
}

/* One of each so many gets contents of its own, which no other must see. */
static void refresh_merged(unsigned long round)
{
	rewrite_merged(round % STEP, 0);
	rewrite_merged((round + 1) % STEP, round + 1);
}

/* Returns whether somebody merges them. */
static bool make_merged(void)
{
	size_t i;

	merged = cu_map(MERGED_PAGES);
	if (!merged)
		ksft_exit_fail_msg("no memory\n");
	for (i = 0; i < STEP; i++)
		rewrite_merged(i, 0);
	return !madvise(merged, MERGED_PAGES * cu_psize, MADV_MERGEABLE) &&
	       !knob_set(KSM "run", "1") && !knob_set(KSM "pages_to_scan", "512");
}

static bool merged_right(void)
{
	size_t bad = 0, i;

	for (i = 0; i < MERGED_PAGES; i++)
		bad += !cu_page_ok(merged + i * cu_psize, mix_seed + NR_KINDS,
				   contents_of(i));
	if (bad)
		ksft_print_msg("%zu merged pages are not right\n", bad);
	return !bad;
}

static void tell_merged(bool merges, long most)
{
	if (merges)
		ksft_test_result(most >= MERGED_PAGES / 2, "%ld pages are merged\n", most);
	else
		ksft_test_result_skip("no KSM\n");
}

int main(int argc, char **argv)
{
	unsigned long rounds = 0;
	long end, most = 0;
	bool right, merges;

	cu_init();
	cu_parse(argc, argv, &mix_seed, options);
	ksft_print_header();
	/* It is the witness: others go first. */
	cu_write_long("/proc/self/oom_score_adj", -1000);
	make_files();
	ksft_set_plan(2);
	ksft_print_msg("seed %llu\n", mix_seed);
	make_areas();
	merges = make_merged();
	end = cu_now_ms() + seconds * 1000;
	do {
		long now = cu_read_long("/proc/self/ksm_merging_pages");

		most = now > most ? now : most;
		refresh_kinds();
		refresh_merged(rounds);
		cu_sleep_ms(100);
		right = contents_right() && merged_right();
		/* huge pages get split */
		if (right && ++rounds % 64 == 0)
			refresh_thp();
	} while (right && cu_now_ms() < end);
	ksft_test_result(right && rounds > 1, "kept over %lu rounds\n", rounds);
	tell_merged(merges, most);
	ksft_finished();
}
