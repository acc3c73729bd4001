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
#include <linux/sched/signal.h>
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

static inline bool test_is_free(unsigned int order, unsigned int type)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		if (!free_area_empty(&zone->free_area[order], type))
			return true;
	return false;
}

#define TEST_MAX_TAKEN	64
static LIST_HEAD(test_taken);

/* For as long as a test or a suite takes, there are no free pages of an order and type. */
static inline int test_take_free(unsigned int order, unsigned int type)
{
	static const gfp_t flags[MIGRATE_PCPTYPES] = {
		[MIGRATE_MOVABLE] = __GFP_MOVABLE,
		[MIGRATE_RECLAIMABLE] = __GFP_RECLAIMABLE,
	};
	unsigned int nr = 0;
	struct page *page;

	while (test_is_free(order, type) && nr++ < TEST_MAX_TAKEN) {
		page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN | flags[type], order);
		if (!page)
			break;
		set_page_private(page, order);
		list_add(&page->lru, &test_taken);
	}
	return 0;
}

static inline void test_give_taken(struct kunit_suite *suite)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &test_taken, lru) {
		unsigned int order = page_private(page);

		set_page_private(page, 0);
		__free_pages(page, order);
	}
	INIT_LIST_HEAD(&test_taken);
}

/*
 * A block of which the machine happens to use a page or two would be chosen before the
 * tests' own. It has half of it free in one piece.
 */
static inline int test_take_halves(struct kunit_suite *suite)
{
	unsigned int type;

	for (type = 0; type < MIGRATE_PCPTYPES; type++)
		test_take_free(pageblock_order - 1, type);
	return 0;
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

/* Without sighand's lock: nobody else sends a signal to the test's own thread. */
static inline void test_set_killed(bool killed)
{
	if (killed) {
		sigaddset(&current->pending.signal, SIGKILL);
		set_thread_flag(TIF_SIGPENDING);
	} else {
		sigdelset(&current->pending.signal, SIGKILL);
		clear_thread_flag(TIF_SIGPENDING);
	}
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
