// SPDX-License-Identifier: GPL-2.0
/* Counting failures: pages as they come, blocks once for each reason, runs. */
#include "test_util.h"

struct why_test {
	struct zone zone;
	struct compact_control cc;
};

static int why_test_init(struct kunit *test)
{
	struct why_test *wt = kunit_kzalloc(test, sizeof(*wt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, wt);
	test->priv = wt;
	wt->cc.zone = &wt->zone;
	return 0;
}

static void expect_counts(struct kunit *test, enum compact_failure why,
			  long pages, long blocks, long runs)
{
	struct why_test *wt = test->priv;
	struct compact_failure_count *count =
		&wt->zone.compaction.failures[why];

	KUNIT_EXPECT_EQ(test, atomic_long_read(&count->pages), pages);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&count->blocks), blocks);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&count->runs), runs);
}

static void pages_and_blocks(struct kunit *test)
{
	struct why_test *wt = test->priv;

	compact_failed(&wt->cc, COMPACT_FAIL_PINNED, 0, 1);
	compact_failed(&wt->cc, COMPACT_FAIL_PINNED, 7, 1);
	compact_failed(&wt->cc, COMPACT_FAIL_HUGE, 8, 8);
	compact_block_done(&wt->cc);
	compact_block_done(&wt->cc);
	compact_failed(&wt->cc, COMPACT_FAIL_PINNED, 1025, 1);
	expect_counts(test, COMPACT_FAIL_PINNED, 0, 0, 0);

	compact_flush_failures(&wt->cc);
	expect_counts(test, COMPACT_FAIL_PINNED, 3, 1, 0);
	/* and the last block, once it is finished */
	compact_block_done(&wt->cc);
	compact_flush_failures(&wt->cc);
	expect_counts(test, COMPACT_FAIL_PINNED, 3, 2, 0);
	expect_counts(test, COMPACT_FAIL_HUGE, 8, 1, 0);
	expect_counts(test, COMPACT_FAIL_LOCKED, 0, 0, 0);
}

static void nothing_counts_twice(struct kunit *test)
{
	struct why_test *wt = test->priv;

	compact_failed(&wt->cc, COMPACT_FAIL_DIRTY, 0, 1);
	compact_block_done(&wt->cc);
	compact_flush_failures(&wt->cc);
	compact_flush_failures(&wt->cc);
	expect_counts(test, COMPACT_FAIL_DIRTY, 1, 1, 0);
}

static void runs(struct kunit *test)
{
	struct why_test *wt = test->priv;

	compact_failed_run(&wt->zone, COMPACT_FAIL_DEFERRED);
	compact_failed_run(&wt->zone, COMPACT_FAIL_DEFERRED);
	expect_counts(test, COMPACT_FAIL_DEFERRED, 0, 0, 2);
}

static struct kunit_case why_test_cases[] = {
	KUNIT_CASE(pages_and_blocks),
	KUNIT_CASE(nothing_counts_twice),
	KUNIT_CASE(runs),
	{ }
};

static struct kunit_suite why_test_suite = {
	.name = "compaction-why",
	.init = why_test_init,
	.test_cases = why_test_cases,
};

kunit_test_suite(why_test_suite);
