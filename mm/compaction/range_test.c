// SPDX-License-Identifier: GPL-2.0
/* Of the ranges that are half free, the cheapest that can be completed is claimed. */
#include "test_util.h"

#define ORDER	(pageblock_order - 1)

struct range_test {
	struct compact_control cc;
	struct compact_wish wish;
	unsigned long half;		/* pages in half a range */
};

/* No halves but the test's own. */
static int range_test_init(struct kunit *test)
{
	struct range_test *rt = kunit_kzalloc(test, sizeof(*rt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rt);
	test->priv = rt;
	rt->half = 1UL << (ORDER - 1);
	return test_take_free(ORDER - 1, MIGRATE_MOVABLE);
}

static void range_test_exit(struct kunit *test)
{
	test_give_taken(NULL);
}

/*
 * The first range of a block: one half is free, of the other so many pages are in use
 * that could move. The rest of the block is not free.
 */
static unsigned long make_range(struct kunit *test, unsigned int used)
{
	struct range_test *rt = test->priv;
	unsigned long pfn = test_alloc_block(test), i;

	test_make_movable(pfn);
	for (i = 0; i < used; i++)
		SetPageLRU(pfn_to_page(pfn + i));
	test_free_pages(pfn + used, 2 * rt->half - used);
	test_init_control(&rt->cc, pfn);
	rt->cc.order = ORDER;
	rt->cc.migratetype = MIGRATE_MOVABLE;
	rt->wish = (struct compact_wish) {
		.began = compact_index_begin(rt->cc.zone),
		.ring = COMPACT_RING_MOVABLE,
	};
	return pfn;
}

static void end_range(struct kunit *test, unsigned long pfn, unsigned int used)
{
	struct range_test *rt = test->priv;
	unsigned long i;

	for (i = 0; i < used; i++)
		ClearPageLRU(pfn_to_page(pfn + i));
	test_free_pages(pfn, used);
	test_free_pages(pfn + 2 * rt->half, pageblock_nr_pages - 2 * rt->half);
}

static enum compact_result goes_on(struct compact_control *cc)
{
	return COMPACT_CONTINUE;
}

static bool claims(struct range_test *rt, struct compact_claim *claim)
{
	return compact_claim_range(&rt->cc, MIGRATE_MOVABLE, &rt->wish, claim);
}

static void release(struct range_test *rt, struct compact_claim *claim,
		    enum compact_block_end how)
{
	compact_index_release(rt->cc.zone, claim->block.start_pfn, how);
}

static void cheapest_half_is_claimed(struct kunit *test)
{
	struct range_test *rt = test->priv;
	unsigned long dear = make_range(test, 5), cheap = make_range(test, 2);
	unsigned long dearest = make_range(test, 7);
	struct compact_claim claim;

	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, cheap);
	KUNIT_EXPECT_EQ(test, claim.block.end_pfn, cheap + rt->half);
	KUNIT_EXPECT_EQ(test, test_ring(cheap), COMPACT_RING_CLAIMED);
	/* while that is in somebody's hands, the next best, and so on */
	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, dear);
	release(rt, &claim, COMPACT_BLOCK_FAILED);
	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, dearest);
	release(rt, &claim, COMPACT_BLOCK_FAILED);
	KUNIT_EXPECT_FALSE(test, claims(rt, &claim));
	compact_index_release(rt->cc.zone, cheap, COMPACT_BLOCK_AS_IT_IS);

	/* tried in vain, which concerns the run alone that has begun before */
	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	release(rt, &claim, COMPACT_BLOCK_FAILED);
	KUNIT_EXPECT_FALSE(test, claims(rt, &claim));
	rt->wish.began = compact_index_begin(rt->cc.zone);
	KUNIT_EXPECT_TRUE(test, claims(rt, &claim));
	release(rt, &claim, COMPACT_BLOCK_AS_IT_IS);
	KUNIT_EXPECT_EQ(test, compact_index_check(rt->cc.zone), 0);
	end_range(test, dearest, 7);
	end_range(test, dear, 5);
	end_range(test, cheap, 2);
}

static void what_stays_spoils_a_half(struct kunit *test)
{
	struct range_test *rt = test->priv;
	unsigned long pfn = make_range(test, 2);
	struct compact_claim claim;

	/* the kernel's own, as it is on no list */
	ClearPageLRU(pfn_to_page(pfn + 1));
	KUNIT_EXPECT_FALSE(test, claims(rt, &claim));
	SetPageLRU(pfn_to_page(pfn + 1));
	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, pfn);
	release(rt, &claim, COMPACT_BLOCK_SPOILED);
	/* parked now: for those alone who need nothing else */
	KUNIT_EXPECT_FALSE(test, claims(rt, &claim));
	rt->wish.began = compact_index_begin(rt->cc.zone);
	KUNIT_EXPECT_FALSE(test, claims(rt, &claim));
	rt->wish.ring = COMPACT_RING_PARKED;
	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, pfn);
	release(rt, &claim, COMPACT_BLOCK_AS_IT_IS);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_PARKED);
	end_range(test, pfn, 2);
}

/* As a run of an allocation does for what cannot move, in a block that is spoiled. */
static void begin_run(struct range_test *rt, struct capture_control *capture)
{
	rt->cc.migratetype = MIGRATE_UNMOVABLE;
	rt->cc.mode = MIGRATE_SYNC_LIGHT;
	rt->cc.capture = capture;
	rt->cc.goal = goes_on;
	compact_cheapest.begin(&rt->cc);
}

/* The next source, if it is a range; what it had before has come to its end. */
static bool next_is(struct range_test *rt, unsigned long pfn)
{
	rt->cc.migrate_pfn = rt->cc.source.end_pfn;
	return compact_cheapest.next_source(&rt->cc) && rt->cc.cheapest.range &&
	       rt->cc.source.start_pfn == pfn &&
	       rt->cc.source.end_pfn == pfn + rt->half;
}

static void failed_half_is_left_alone(struct kunit *test)
{
	struct range_test *rt = test->priv;
	unsigned long pfn = make_range(test, 2);
	struct capture_control capture = { };
	struct compact_claim claim;
	u32 failed_at;

	KUNIT_ASSERT_TRUE(test, claims(rt, &claim));
	release(rt, &claim, COMPACT_BLOCK_SPOILED);

	begin_run(rt, &capture);
	KUNIT_ASSERT_TRUE(test, next_is(rt, pfn));
	/* it has all moved, and somebody has taken it: why not once more? */
	rt->cc.failed_last = 0;
	KUNIT_ASSERT_TRUE(test, next_is(rt, pfn));
	/* what was busy will be so again; and the block is spoiled as before */
	rt->cc.failed_last = BIT(COMPACT_FAIL_BUSY);
	KUNIT_EXPECT_FALSE(test, next_is(rt, pfn));
	compact_cheapest.end(&rt->cc);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_PARKED);

	/* who waits for nobody has no use for that, and does not ask */
	begin_run(rt, &capture);
	rt->cc.mode = MIGRATE_ASYNC;
	failed_at = test_entry(pfn)->failed_at;
	KUNIT_EXPECT_FALSE(test, next_is(rt, pfn));
	KUNIT_EXPECT_TRUE(test, test_entry(pfn)->failed_at == failed_at);
	compact_cheapest.end(&rt->cc);
	end_range(test, pfn, 2);
}

/* However often one is completed and taken by others, it is a block's turn at last. */
static void ranges_are_tried_a_few_times(struct kunit *test)
{
	struct range_test *rt = test->priv;
	unsigned long pfn = make_range(test, 2);
	struct capture_control capture = { };
	unsigned int nr = 0;

	begin_run(rt, &capture);
	rt->cc.migratetype = MIGRATE_MOVABLE;
	while (nr < 100 && next_is(rt, pfn))
		nr++;
	KUNIT_EXPECT_EQ(test, nr, 16);
	KUNIT_EXPECT_FALSE(test, rt->cc.cheapest.range);
	KUNIT_EXPECT_FALSE(test, next_is(rt, pfn));
	compact_cheapest.end(&rt->cc);
	KUNIT_EXPECT_EQ(test, compact_index_check(rt->cc.zone), 0);
	end_range(test, pfn, 2);
}

static struct kunit_case range_test_cases[] = {
	KUNIT_CASE(cheapest_half_is_claimed),
	KUNIT_CASE(what_stays_spoils_a_half),
	KUNIT_CASE(failed_half_is_left_alone),
	KUNIT_CASE(ranges_are_tried_a_few_times),
	{ }
};

static struct kunit_suite range_test_suite = {
	.name = "compaction-range",
	.init = range_test_init,
	.exit = range_test_exit,
	.test_cases = range_test_cases,
};

kunit_test_suite(range_test_suite);
