// SPDX-License-Identifier: GPL-2.0
/*
 * The free scanner: it takes exactly the free pages of its block, migration
 * gets each of them once, and what is not used returns and merges.
 */
#include "test_util.h"

struct target_test {
	struct compact_control cc;
	struct compact_block block;
};

static bool no_target(struct compact_control *cc)
{
	return false;
}

static const struct compact_policy one_block_policy = {
	.next_target	= no_target,
};

/* Pages 8 to 15, 32, 34 and 64 to 127 of the block are free. */
static const struct {
	unsigned int first, nr;
} free_runs[] = { { 8, 8 }, { 32, 1 }, { 34, 1 }, { 64, 64 } };

#define NR_FREE	(8 + 1 + 1 + 64)

static int target_test_init(struct kunit *test)
{
	struct target_test *tt = kunit_kzalloc(test, sizeof(*tt), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tt);
	test->priv = tt;
	tt->block.start_pfn = test_alloc_block(test);
	tt->block.end_pfn = tt->block.start_pfn + pageblock_nr_pages;
	test_init_control(&tt->cc, tt->block.start_pfn);
	tt->cc.policy = &one_block_policy;

	for (i = 0; i < ARRAY_SIZE(free_runs); i++)
		test_free_pages(tt->block.start_pfn + free_runs[i].first,
				free_runs[i].nr);
	return 0;
}

static bool in_free_run(unsigned long offset)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(free_runs); i++) {
		if (offset - free_runs[i].first < free_runs[i].nr)
			return true;
	}
	return false;
}

static void target_test_exit(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long pfn, i;

	if (!tt || !tt->block.end_pfn)
		return;
	pfn = tt->block.end_pfn - pageblock_nr_pages;
	for (i = 0; i < pageblock_nr_pages; i++) {
		if (!in_free_run(i))
			__free_page(pfn_to_page(pfn + i));
	}
}

/* Check each page in hand; returns how many base pages they are. */
static unsigned long check_in_hand(struct kunit *test, struct target_test *tt)
{
	unsigned long first = tt->block.end_pfn - pageblock_nr_pages;
	unsigned long nr = 0;
	unsigned int order;
	struct page *page;

	for (order = 0; order < MAX_ORDER; order++) {
		list_for_each_entry(page, &tt->cc.freepages[order], lru) {
			unsigned long offset = page_to_pfn(page) - first;

			KUNIT_EXPECT_TRUE(test, in_free_run(offset));
			KUNIT_EXPECT_TRUE(test, IS_ALIGNED(offset, 1 << order));
			KUNIT_EXPECT_FALSE(test, PageBuddy(page));
			KUNIT_EXPECT_EQ(test, page_count(page), 0);
			nr += 1UL << order;
		}
	}
	return nr;
}

static void takes_all_free_pages(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long first = tt->block.start_pfn, end = tt->block.end_pfn;
	unsigned long before = zone_page_state_snapshot(tt->cc.zone,
							NR_FREE_PAGES);

	KUNIT_ASSERT_EQ(test, test_count_free(first, end), NR_FREE);
	isolate_target(&tt->cc, &tt->block, UINT_MAX);

	KUNIT_EXPECT_EQ(test, tt->block.start_pfn, end);
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, NR_FREE);
	KUNIT_EXPECT_EQ(test, check_in_hand(test, tt), NR_FREE);
	KUNIT_EXPECT_EQ(test, test_count_free(first, end), 0);
	KUNIT_EXPECT_EQ(test, zone_page_state_snapshot(tt->cc.zone,
						       NR_FREE_PAGES),
			before - NR_FREE);
	KUNIT_EXPECT_EQ(test, tt->cc.total_free_scanned, pageblock_nr_pages);

	release_targets(&tt->cc);
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, 0);
	KUNIT_EXPECT_EQ(test, test_count_free(first, end), NR_FREE);
	KUNIT_EXPECT_EQ(test, zone_page_state_snapshot(tt->cc.zone,
						       NR_FREE_PAGES), before);
}

static void stops_when_it_has_enough(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long first = tt->block.start_pfn;

	isolate_target(&tt->cc, &tt->block, 8);
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, 8);
	KUNIT_EXPECT_EQ(test, tt->block.start_pfn, first + 16);

	/* and goes on from there, taking a larger page whole */
	isolate_target(&tt->cc, &tt->block, 11);
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, NR_FREE);
	KUNIT_EXPECT_EQ(test, tt->block.start_pfn, first + 128);
	release_targets(&tt->cc);
}

#ifdef CONFIG_MEMORY_ISOLATION
/* Whoever has isolated the block since it was chosen wants it empty. */
static void leaves_isolated_blocks(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long first = tt->block.start_pfn, end = tt->block.end_pfn;
	int type = get_pageblock_migratetype(pfn_to_page(first));

	set_pageblock_migratetype(pfn_to_page(first), MIGRATE_ISOLATE);
	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	set_pageblock_migratetype(pfn_to_page(first), type);

	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, 0);
	KUNIT_EXPECT_EQ(test, test_count_free(first, end), NR_FREE);
}
#endif

static void respects_the_watermark(struct kunit *test)
{
	struct target_test *tt = test->priv;
	struct zone *zone = tt->cc.zone;
	unsigned long first = tt->block.start_pfn, end = tt->block.end_pfn;
	unsigned long min = zone->_watermark[WMARK_MIN];

	zone->_watermark[WMARK_MIN] = zone_managed_pages(zone);
	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	zone->_watermark[WMARK_MIN] = min;

	KUNIT_EXPECT_TRUE(test, compact_at_watermark(&tt->cc));
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, 0);
	KUNIT_EXPECT_EQ(test, test_count_free(first, end), NR_FREE);
}

/* Near the watermark large pages are too much, and small ones are not. */
static void takes_small_pages_near_the_watermark(struct kunit *test)
{
	struct target_test *tt = test->priv;
	struct zone *zone = tt->cc.zone;
	unsigned long min = zone->_watermark[WMARK_MIN];

	zone->_watermark[WMARK_MIN] = zone_page_state(zone, NR_FREE_PAGES) - 4;
	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	zone->_watermark[WMARK_MIN] = min;

	KUNIT_EXPECT_LT(test, tt->cc.refused_order, MAX_ORDER);
	KUNIT_EXPECT_FALSE(test, compact_at_watermark(&tt->cc));
	KUNIT_EXPECT_GT(test, tt->cc.nr_freepages, 0);
	KUNIT_EXPECT_LE(test, tt->cc.nr_freepages, 4);
}

/* Each page is handed out once, ready for use; after the last there is none. */
static void hands_out_each_page_once(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long first = tt->block.start_pfn, seen = 0;
	unsigned long data = (unsigned long)&tt->cc;
	struct page *page;
	LIST_HEAD(used);

	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	while ((page = compaction_alloc(NULL, data))) {
		KUNIT_EXPECT_TRUE(test, in_free_run(page_to_pfn(page) - first));
		KUNIT_EXPECT_EQ(test, page_count(page), 1);
		KUNIT_EXPECT_EQ(test, page_private(page), 0);
		list_add(&page->lru, &used);
		if (++seen > NR_FREE)
			break;
	}
	KUNIT_EXPECT_EQ(test, seen, NR_FREE);
	KUNIT_EXPECT_EQ(test, tt->cc.nr_freepages, 0);

	while ((page = list_first_entry_or_null(&used, struct page, lru))) {
		list_del(&page->lru);
		__free_page(page);
	}
	drain_all_pages(tt->cc.zone);
	KUNIT_EXPECT_EQ(test, test_count_free(first, tt->block.end_pfn),
			NR_FREE);
}

static void small_pages_go_first(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long data = (unsigned long)&tt->cc;
	unsigned long first = tt->block.start_pfn;
	struct page *page[2];

	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	page[0] = compaction_alloc(NULL, data);
	page[1] = compaction_alloc(NULL, data);
	KUNIT_ASSERT_NOT_NULL(test, page[0]);
	KUNIT_ASSERT_NOT_NULL(test, page[1]);
	KUNIT_EXPECT_EQ(test, page_to_pfn(page[0]) + page_to_pfn(page[1]),
			2 * first + 32 + 34);

	__free_page(page[0]);
	__free_page(page[1]);
	release_targets(&tt->cc);
}

/* A page that migration hands back is used next, or freed with the rest. */
static void unused_pages_return(struct kunit *test)
{
	struct target_test *tt = test->priv;
	unsigned long first = tt->block.start_pfn;
	unsigned long data = (unsigned long)&tt->cc;
	struct page *head = pfn_to_page(first + 64);
	struct page *page;

	isolate_target(&tt->cc, &tt->block, UINT_MAX);
	page = compaction_alloc(NULL, data);
	KUNIT_ASSERT_NOT_NULL(test, page);
	compaction_free(page, data);
	KUNIT_EXPECT_PTR_EQ(test, compaction_alloc(NULL, data), page);
	compaction_free(page, data);

	release_targets(&tt->cc);
	drain_all_pages(tt->cc.zone);
	KUNIT_EXPECT_EQ(test, test_count_free(first, tt->block.end_pfn),
			NR_FREE);
	KUNIT_ASSERT_TRUE(test, PageBuddy(head));
	KUNIT_EXPECT_EQ(test, buddy_order(head), 6);
}

/* A free page that was split for use is whole again when all of it is back. */
static void split_pages_merge_again(struct kunit *test)
{
	struct target_test *tt = test->priv;
	struct page *head = pfn_to_page(tt->block.start_pfn + 8);
	unsigned long data = (unsigned long)&tt->cc;
	struct page *page;

	isolate_target(&tt->cc, &tt->block, 8);
	page = compaction_alloc(NULL, data);
	KUNIT_ASSERT_NOT_NULL(test, page);
	release_targets(&tt->cc);
	KUNIT_EXPECT_EQ(test, test_count_free(page_to_pfn(head),
					      page_to_pfn(head) + 8), 7);

	__free_page(page);
	drain_all_pages(tt->cc.zone);
	KUNIT_ASSERT_TRUE(test, PageBuddy(head));
	KUNIT_EXPECT_EQ(test, buddy_order(head), 3);
}

static struct kunit_case target_test_cases[] = {
	KUNIT_CASE(takes_all_free_pages),
	KUNIT_CASE(stops_when_it_has_enough),
#ifdef CONFIG_MEMORY_ISOLATION
	KUNIT_CASE(leaves_isolated_blocks),
#endif
	KUNIT_CASE(respects_the_watermark),
	KUNIT_CASE(takes_small_pages_near_the_watermark),
	KUNIT_CASE(hands_out_each_page_once),
	KUNIT_CASE(small_pages_go_first),
	KUNIT_CASE(unused_pages_return),
	KUNIT_CASE(split_pages_merge_again),
	{ }
};

static struct kunit_suite target_test_suite = {
	.name = "compaction-target",
	.init = target_test_init,
	.exit = target_test_exit,
	.test_cases = target_test_cases,
};

kunit_test_suite(target_test_suite);
