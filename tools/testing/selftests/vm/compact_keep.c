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
#include <getopt.h>
#include <stdlib.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_mixture.h"

static struct {
	unsigned long seconds;
} opt = { .seconds = 10 };

static void usage(void)
{
	fprintf(stderr, "compact_keep [--seed N] [--seconds N]\n");
	exit(KSFT_FAIL);
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 'S' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			mix_seed = cu_number(optarg, ~0UL);
		else if (c == 'S')
			opt.seconds = cu_number(optarg, 100000);
		else
			usage();
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	unsigned long rounds = 0;
	bool right;
	long end;

	cu_init();
	parse(argc, argv);
	ksft_print_header();
	/* It is the witness: others go first. */
	cu_write_long("/proc/self/oom_score_adj", -1000);
	make_files();
	ksft_set_plan(1);
	ksft_print_msg("seed %llu\n", mix_seed);
	make_areas();
	end = cu_now_ms() + opt.seconds * 1000;
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
