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

static unsigned long seconds = 10;

static const struct cu_option options[] = {
	{ "seconds", "N", &seconds, 0, 100000 },
	{ }
};

int main(int argc, char **argv)
{
	unsigned long rounds = 0;
	bool right;
	long end;

	cu_init();
	cu_parse(argc, argv, &mix_seed, options);
	ksft_print_header();
	/* It is the witness: others go first. */
	cu_write_long("/proc/self/oom_score_adj", -1000);
	make_files();
	ksft_set_plan(1);
	ksft_print_msg("seed %llu\n", mix_seed);
	make_areas();
	end = cu_now_ms() + seconds * 1000;
	do {
		refresh_kinds();
		cu_sleep_ms(100);
		right = contents_right();
		/* huge pages get split */
		if (right && ++rounds % 64 == 0)
			refresh_thp();
	} while (right && cu_now_ms() < end);
	ksft_test_result(right && rounds > 1, "kept over %lu rounds\n", rounds);
	ksft_finished();
}
