/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Made-up blocks for the unit tests: real pageblocks, allocated whole, of which
 * a test frees, marks or fills what it needs.
 */
#ifndef _MM_COMPACTION_TEST_UTIL_H
#define _MM_COMPACTION_TEST_UTIL_H

#include <kunit/test.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/shmem_fs.h>
#include "internal.h"

/* A pageblock whose base pages are allocated one by one and can be freed so. */
static inline unsigned long test_alloc_block(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN,
					pageblock_order);

	KUNIT_ASSERT_NOT_NULL(test, page);
	split_page(page, pageblock_order);
	return page_to_pfn(page);
}

/* The index takes no notice when a type is set. */
static inline void test_make_movable(unsigned long pfn)
{
	struct zone *zone = page_zone(pfn_to_page(pfn));
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
	compact_index_retype(zone, pfn);
	spin_unlock_irqrestore(&zone->lock, flags);
}

static inline void test_free_block(unsigned long pfn)
{
	unsigned long i;

	for (i = 0; i < pageblock_nr_pages; i++)
		__free_page(pfn_to_page(pfn + i));
}

/* Free pages of a block and see to it that they are on the buddy lists. */
static inline void test_free_pages(unsigned long pfn, unsigned long nr)
{
	struct zone *zone = page_zone(pfn_to_page(pfn));

	while (nr--)
		__free_page(pfn_to_page(pfn++));
	drain_all_pages(zone);
}

static inline bool test_half_is_free(unsigned int type)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		if (!free_area_empty(&zone->free_area[pageblock_order - 1], type))
			return true;
	return false;
}

#define TEST_MAX_HALVES	64
static LIST_HEAD(test_halves);

/*
 * A block of which the machine happens to use a page or two would be chosen before the
 * tests' own. It has half of it free in one piece; these are taken for as long as the
 * suite takes.
 */
static inline int test_take_halves(struct kunit_suite *suite)
{
	static const gfp_t flags[MIGRATE_PCPTYPES] = {
		[MIGRATE_MOVABLE] = __GFP_MOVABLE,
		[MIGRATE_RECLAIMABLE] = __GFP_RECLAIMABLE,
	};
	unsigned int type, nr = 0;
	struct page *page;

	for (type = 0; type < MIGRATE_PCPTYPES; type++) {
		while (test_half_is_free(type) && nr++ < TEST_MAX_HALVES) {
			page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN | flags[type],
					   pageblock_order - 1);
			if (!page)
				break;
			list_add(&page->lru, &test_halves);
		}
	}
	return 0;
}

static inline void test_give_halves(struct kunit_suite *suite)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &test_halves, lru)
		__free_pages(page, pageblock_order - 1);
	INIT_LIST_HEAD(&test_halves);
}

/* All of it but @used pages is free: emptier than any that is not of a test's making. */
static inline unsigned long test_movable_block(struct kunit *test,
					       unsigned int used)
{
	unsigned long pfn = test_alloc_block(test);

	test_make_movable(pfn);
	test_free_pages(pfn + used, pageblock_nr_pages - used);
	return pfn;
}

static inline struct compact_entry *test_entry(unsigned long pfn)
{
	return compact_entry(page_zone(pfn_to_page(pfn)), pfn);
}

static inline enum compact_ring test_ring(unsigned long pfn)
{
	return test_entry(pfn)->ring;
}

/* How many base pages of [pfn, end) are on the buddy lists? */
static inline unsigned long test_count_free(unsigned long pfn,
					    unsigned long end)
{
	unsigned long nr = 0;

	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned long step = 1;

		if (PageBuddy(page)) {
			step = 1UL << buddy_order(page);
			nr += step;
		}
		pfn += step;
	}
	return nr;
}

static inline unsigned long test_nr_isolated(void)
{
	return global_node_page_state(NR_ISOLATED_ANON) +
	       global_node_page_state(NR_ISOLATED_FILE);
}

/* Runs that ended early or were not begun for a reason. */
static inline long test_runs_failed(struct zone *zone,
				    enum compact_failure why)
{
	return atomic_long_read(&zone->compaction.failures[why].runs);
}

static inline void test_init_control(struct compact_control *cc,
				     unsigned long pfn)
{
	*cc = (struct compact_control) {
		.zone = page_zone(pfn_to_page(pfn)),
		.order = -1,
		.gfp_mask = GFP_KERNEL,
		.mode = MIGRATE_SYNC,
		.from_the_ends = true,
	};
	INIT_LIST_HEAD(&cc->migratepages);
	compact_targets_init(cc);
}

/* Page @index of a shmem file, on its LRU list, without a reference held. */
static inline struct page *test_file_page(struct kunit *test,
					  struct file *file, pgoff_t index)
{
	struct page *page = shmem_read_mapping_page(file->f_mapping, index);

	KUNIT_ASSERT_FALSE(test, IS_ERR(page));
	lru_add_drain();
	put_page(page);
	return page;
}

/* Let go of a file; its pages are free when this returns. */
static inline void test_put_file(struct file *file)
{
	fput(file);
	flush_delayed_fput();
}

#endif /* _MM_COMPACTION_TEST_UTIL_H */
