// SPDX-License-Identifier: GPL-2.0
/*
 * The cheapest-first policy: what is emptied when, what becomes of a block that could
 * not be emptied, which pages are filled, and when there is nothing left to choose.
 */
#include "test_util.h"

/* More blocks than the test's machine has. */
#define MANY		4096
/* In one bucket. */
#define NEAR_USED	2
#define FAR_USED	3

struct cheapest_test {
	unsigned long near, far;	/* nearly empty blocks, near first */
	struct compact_control cc;
};

static enum compact_result no_goal(struct compact_control *cc)
{
	return COMPACT_CONTINUE;
}

static int cheapest_test_init(struct kunit *test)
{
	struct cheapest_test *ct = kunit_kzalloc(test, sizeof(*ct), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ct);
	test->priv = ct;
	ct->near = test_movable_block(test, NEAR_USED);
	ct->far = test_movable_block(test, FAR_USED);
	test_init_control(&ct->cc, ct->near);
	ct->cc.policy = &compact_cheapest;
	ct->cc.goal = no_goal;
	ct->cc.policy->begin(&ct->cc);
	return 0;
}

static void cheapest_test_exit(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	if (!ct)
		return;
	ct->cc.policy->end(&ct->cc);
	release_targets(&ct->cc);
	KUNIT_EXPECT_NE(test, test_ring(ct->near), COMPACT_RING_CLAIMED);
	KUNIT_EXPECT_NE(test, test_ring(ct->far), COMPACT_RING_CLAIMED);
	KUNIT_EXPECT_EQ(test, compact_index_check(ct->cc.zone), 0);
	test_free_pages(ct->near, NEAR_USED);
	test_free_pages(ct->far, FAR_USED);
}

/* The source has been gone through, and this is what was in the way. */
static bool go_on(struct cheapest_test *ct, unsigned long failed)
{
	ct->cc.migrate_pfn = ct->cc.source.end_pfn;
	ct->cc.failed_last = failed;
	return ct->cc.policy->next_source(&ct->cc);
}

static void emptiest_comes_first(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->near);
	KUNIT_EXPECT_EQ(test, ct->cc.source.end_pfn,
			ct->near + pageblock_nr_pages);
	KUNIT_ASSERT_TRUE(test, go_on(ct, 0));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->far);
}

static void each_block_is_tried_once(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned int blocks = 0, near = 0;
	bool more = ct->cc.policy->next_source(&ct->cc);

	while (more && blocks++ < MANY) {
		near += ct->cc.source.start_pfn == ct->near;
		more = go_on(ct, 0);
	}
	KUNIT_EXPECT_FALSE(test, more);
	KUNIT_EXPECT_EQ(test, near, 1);

	/* the next run may have it */
	ct->cc.policy->begin(&ct->cc);
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->near);
}

static void half_done_is_taken_up_again(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	ct->cc.migrate_pfn = ct->cc.source.end_pfn - 1;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->near);
}

static void two_runs_work_apart(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	struct compact_control *other = kunit_kzalloc(test, sizeof(*other),
						      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, other);
	test_init_control(other, ct->near);
	other->goal = no_goal;
	compact_cheapest.begin(other);
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_ASSERT_TRUE(test, compact_cheapest.next_source(other));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->near);
	KUNIT_EXPECT_EQ(test, other->source.start_pfn, ct->far);
	compact_cheapest.end(other);
}

/* Only by what stays in the way. */
static void spoiled_block_is_parked(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_ASSERT_TRUE(test, go_on(ct, BIT(COMPACT_FAIL_LOCKED)));
	KUNIT_EXPECT_FALSE(test, test_entry(ct->near)->parked);
	KUNIT_ASSERT_EQ(test, ct->cc.source.start_pfn, ct->far);
	go_on(ct, BIT(COMPACT_FAIL_LOCKED) | BIT(COMPACT_FAIL_UNMOVABLE));
	KUNIT_EXPECT_TRUE(test, test_entry(ct->far)->parked);
}

static void targets_are_fuller_than_the_source(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned int limit = pageblock_nr_pages / 8;
	unsigned long full = test_movable_block(test, pageblock_nr_pages - limit);
	unsigned long pfn;

	ct->cc.cheapest.free_limit = limit;
	ct->cc.cheapest.parked_limit = limit;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_target(&ct->cc));
	pfn = ct->cc.target.start_pfn;
	KUNIT_EXPECT_LE(test, test_entry(pfn)->free, limit);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_CLAIMED);

	ct->cc.policy->end(&ct->cc);
	KUNIT_EXPECT_NE(test, test_ring(pfn), COMPACT_RING_CLAIMED);
	test_free_pages(full, pageblock_nr_pages - limit);
}

/* Once, and from its beginning after that: pages may have become free there. */
static void filling_goes_on_where_it_stopped(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned long pfn;

	ct->cc.cheapest.free_limit = pageblock_nr_pages;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_target(&ct->cc));
	pfn = ct->cc.target.start_pfn + 5;
	ct->cc.target.start_pfn = pfn;
	ct->cc.policy->end(&ct->cc);

	ct->cc.policy->begin(&ct->cc);
	ct->cc.cheapest.free_limit = pageblock_nr_pages;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_target(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.target.start_pfn, pfn);
	ct->cc.target.start_pfn = ct->cc.target.end_pfn;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_target(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.target.start_pfn % pageblock_nr_pages, 0);
}

/* Near the watermark each of them may be refused. */
static void barren_targets_end_it(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned int nr;

	ct->cc.cheapest.free_limit = pageblock_nr_pages;
	for (nr = 0; nr < MANY && ct->cc.policy->next_target(&ct->cc); nr++)
		ct->cc.target_taken = 0;
	KUNIT_EXPECT_LT(test, nr, MANY);
	KUNIT_EXPECT_GT(test, nr, 0);

	ct->cc.policy->begin(&ct->cc);
	ct->cc.cheapest.free_limit = pageblock_nr_pages;
	for (nr = 0; nr < 64 && ct->cc.policy->next_target(&ct->cc); nr++)
		ct->cc.target_taken = 1;
	KUNIT_EXPECT_EQ(test, nr, 64);
}

/*
 * Those of a block that is to be emptied before others are at the head of their list,
 * and are passed over all the same.
 */
static void lists_give_pages_of_full_blocks(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned long full = test_movable_block(test, pageblock_nr_pages);
	unsigned long emptier = test_movable_block(test, pageblock_nr_pages);
	unsigned int i, limit = 16;
	struct page *page;

	/* every other page, so that they stay single pages */
	for (i = 0; i < 2 * limit; i += 2)
		test_free_pages(full + i, 1);
	for (i = 0; i < 8 * limit; i += 2)
		test_free_pages(emptier + i, 1);
	ct->cc.cheapest.free_limit = limit;
	ct->cc.cheapest.parked_limit = limit;
	ct->cc.nr_migratepages = 2;
	page = compaction_alloc(NULL, (unsigned long)&ct->cc);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_NE(test, pageblock_start_pfn(page_to_pfn(page)), emptier);
	__free_page(page);
	release_targets(&ct->cc);

	for (i = 0; i < pageblock_nr_pages; i++) {
		if (i % 2 || i >= 2 * limit)
			test_free_pages(full + i, 1);
		if (i % 2 || i >= 8 * limit)
			test_free_pages(emptier + i, 1);
	}
}

/* Where each of them holds a page that cannot move, as those of a test that goes on so. */
static bool reaches_source(struct cheapest_test *ct, unsigned long pfn)
{
	bool more = ct->cc.policy->next_source(&ct->cc);

	while (more && ct->cc.source.start_pfn != pfn)
		more = go_on(ct, BIT(COMPACT_FAIL_UNMOVABLE));
	return more;
}

/* A block of pages that look as if each were mapped once; undone by the same. */
static void map_block(unsigned long pfn, bool mapped)
{
	unsigned long end = pfn + pageblock_nr_pages;

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (mapped)
			SetPageLRU(page);
		else
			ClearPageLRU(page);
		page_mapcount_reset(page);
		if (mapped)
			atomic_inc(&page->_mapcount);
	}
}

static void full_blocks_go_to_parked_ones(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned long full = test_alloc_block(test);
	unsigned int nr;

	test_make_movable(full);
	map_block(full, true);
	/* who waits for nobody has no time for that */
	ct->cc.from_the_ends = false;
	ct->cc.mode = MIGRATE_ASYNC;
	KUNIT_EXPECT_FALSE(test, reaches_source(ct, full));
	ct->cc.policy->end(&ct->cc);

	ct->cc.mode = MIGRATE_SYNC;
	ct->cc.policy->begin(&ct->cc);
	ct->cc.cheapest.free_limit = pageblock_nr_pages;
	ct->cc.cheapest.parked_limit = pageblock_nr_pages;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_target(&ct->cc));
	KUNIT_ASSERT_TRUE(test, reaches_source(ct, full));
	/* what it had to fill before may not be good any more */
	KUNIT_EXPECT_FALSE(test, ct->cc.cheapest.target);
	for (nr = 0; nr < 2 && ct->cc.policy->next_target(&ct->cc); nr++)
		KUNIT_EXPECT_TRUE(test, test_entry(ct->cc.target.start_pfn)->parked);
	KUNIT_EXPECT_EQ(test, nr, 2);

	ct->cc.policy->end(&ct->cc);
	map_block(full, false);
	test_free_block(full);
}

/* Without moving any page before. The last page is pinned. */
static void full_block_that_is_spoiled_is_left(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;
	unsigned long full = test_alloc_block(test);
	struct page *last = pfn_to_page(full + pageblock_nr_pages - 1);

	test_make_movable(full);
	map_block(full, true);
	get_page(last);
	KUNIT_EXPECT_FALSE(test, reaches_source(ct, full));
	KUNIT_EXPECT_TRUE(test, test_entry(full)->parked);
	KUNIT_EXPECT_GT(test, ct->cc.failed_blocks[COMPACT_FAIL_PINNED], 0);

	put_page(last);
	map_block(full, false);
	test_free_block(full);
}

/* Who has no use for a part of a block need not find out again that it is spoiled. */
static void suspect_is_looked_over(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	test_entry(ct->near)->failures = 1;
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->near);
	ct->cc.policy->end(&ct->cc);

	ct->cc.whole_blocks = true;
	ct->cc.policy->begin(&ct->cc);
	KUNIT_ASSERT_TRUE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.source.start_pfn, ct->far);
	KUNIT_EXPECT_TRUE(test, test_entry(ct->near)->parked);
}

static enum compact_result goal_once(struct compact_control *cc)
{
	return cc->verdict == COMPACT_CONTINUE ? COMPACT_SUCCESS : COMPACT_CONTINUE;
}

/* What ends a run between blocks that are only looked over is what the goal said then. */
static void goal_is_asked_between_looks(struct kunit *test)
{
	struct cheapest_test *ct = test->priv;

	test_entry(ct->near)->failures = 1;
	ct->cc.whole_blocks = true;
	ct->cc.goal = goal_once;
	ct->cc.verdict = COMPACT_CONTINUE;
	KUNIT_EXPECT_FALSE(test, ct->cc.policy->next_source(&ct->cc));
	KUNIT_EXPECT_EQ(test, ct->cc.verdict, COMPACT_SUCCESS);
	KUNIT_EXPECT_TRUE(test, test_entry(ct->near)->parked);
	KUNIT_EXPECT_FALSE(test, test_entry(ct->far)->parked);
}

static struct kunit_case cheapest_test_cases[] = {
	KUNIT_CASE(emptiest_comes_first),
	KUNIT_CASE(each_block_is_tried_once),
	KUNIT_CASE(half_done_is_taken_up_again),
	KUNIT_CASE(two_runs_work_apart),
	KUNIT_CASE(spoiled_block_is_parked),
	KUNIT_CASE(targets_are_fuller_than_the_source),
	KUNIT_CASE(filling_goes_on_where_it_stopped),
	KUNIT_CASE(barren_targets_end_it),
	KUNIT_CASE(lists_give_pages_of_full_blocks),
	KUNIT_CASE(full_blocks_go_to_parked_ones),
	KUNIT_CASE(full_block_that_is_spoiled_is_left),
	KUNIT_CASE(suspect_is_looked_over),
	KUNIT_CASE(goal_is_asked_between_looks),
	{ }
};

static struct kunit_suite cheapest_test_suite = {
	.name = "compaction-cheapest",
	.suite_init = test_take_halves,
	.suite_exit = test_give_taken,
	.init = cheapest_test_init,
	.exit = cheapest_test_exit,
	.test_cases = cheapest_test_cases,
};

kunit_test_suite(cheapest_test_suite);

MODULE_LICENSE("GPL");
