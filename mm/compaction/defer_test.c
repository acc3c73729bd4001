// SPDX-License-Identifier: GPL-2.0
/* Backing off: how many attempts are skipped, for which orders, and until when. */
#include "test_util.h"

#define ORDER	5

static int defer_test_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct zone), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

/* Attempts that are skipped before one is to be made. */
static unsigned int passes(struct zone *zone, int order)
{
	unsigned int nr = 0;

	while (nr < 1000 && compact_deferred(zone, order))
		nr++;
	return nr;
}

static void nothing_failed_yet(struct kunit *test)
{
	struct zone *zone = test->priv;

	KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 0);
}

/* 2, 4, 8 and so on are skipped, and the one after these is made. */
static void twice_as_many_each_time(struct kunit *test)
{
	struct zone *zone = test->priv;
	unsigned int shift;

	for (shift = 1; shift <= 6; shift++) {
		compact_defer(zone, ORDER);
		KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 1U << shift);
		/* made, and not known yet how it ends: others may try too */
		KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 0);
	}
	for (shift = 0; shift < 3; shift++) {
		compact_defer(zone, ORDER);
		KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 64);
	}
}

static void smaller_orders_are_not_deferred(struct kunit *test)
{
	struct zone *zone = test->priv;

	compact_defer(zone, ORDER);
	KUNIT_EXPECT_FALSE(test, compact_deferred(zone, ORDER - 1));
	KUNIT_EXPECT_TRUE(test, compact_deferred(zone, ORDER + 1));

	/* one that fails as well is */
	compact_defer(zone, ORDER - 1);
	KUNIT_EXPECT_FALSE(test, compact_deferred(zone, ORDER - 2));
	KUNIT_EXPECT_EQ(test, passes(zone, ORDER - 1), 4);

	/* and nothing stays of that after a success */
	compaction_defer_reset(zone, 1, true);
	compact_defer(zone, ORDER);
	KUNIT_EXPECT_FALSE(test, compact_deferred(zone, ORDER - 1));
}

static void success_ends_it(struct kunit *test)
{
	struct zone *zone = test->priv;

	compact_defer(zone, ORDER);
	compact_defer(zone, ORDER);
	compaction_defer_reset(zone, ORDER, true);
	KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 0);

	/* and the next failure begins with two again */
	compact_defer(zone, ORDER);
	KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 2);
}

static void hope_ends_it_for_that_order(struct kunit *test)
{
	struct zone *zone = test->priv;

	compact_defer(zone, ORDER);
	compact_defer(zone, ORDER);
	compaction_defer_reset(zone, ORDER, false);
	KUNIT_EXPECT_EQ(test, passes(zone, ORDER), 0);
	KUNIT_EXPECT_EQ(test, passes(zone, ORDER + 1), 4);
}

static struct kunit_case defer_test_cases[] = {
	KUNIT_CASE(nothing_failed_yet),
	KUNIT_CASE(twice_as_many_each_time),
	KUNIT_CASE(smaller_orders_are_not_deferred),
	KUNIT_CASE(success_ends_it),
	KUNIT_CASE(hope_ends_it_for_that_order),
	{ }
};

static struct kunit_suite defer_test_suite = {
	.name = "compaction-defer",
	.init = defer_test_init,
	.test_cases = defer_test_cases,
};

kunit_test_suite(defer_test_suite);
