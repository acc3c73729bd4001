// SPDX-License-Identifier: GPL-2.0
/*
 * The free scanner: takes free pages out of one block, for the pages that
 * source.c has isolated to move to.
 *
 * Free pages are kept by order, just as they came off the buddy lists, and are
 * split and prepared one at a time when migration asks for a page. What is left
 * over at the end of the run goes back to the buddy lists untouched and merges
 * with its neighbours at once, instead of passing through the per-cpu lists one
 * base page at a time.
 */
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/vmstat.h>
#include <trace/events/compaction.h>
#include "internal.h"

/**
 * compact_targets_init - start with no free pages in hand
 * @cc: the run
 */
void compact_targets_init(struct compact_control *cc)
{
	unsigned int order;

	for (order = 0; order < MAX_ORDER; order++)
		INIT_LIST_HEAD(&cc->freepages[order]);
	INIT_LIST_HEAD(&cc->spare);
	cc->nr_freepages = 0;
	cc->refused_order = MAX_ORDER;
}

static void lock_zone(struct compact_control *cc, unsigned long *flags)
	__acquires(&cc->zone->lock)
{
	/* Take it this once, since migration waits for a page, and report. */
	if (cc->mode == MIGRATE_ASYNC) {
		if (spin_trylock_irqsave(&cc->zone->lock, *flags))
			return;
		cc->contended = true;
	}
	spin_lock_irqsave(&cc->zone->lock, *flags);
}

/*
 * Take the free page that starts here, if one does, and return how many pages
 * that settles. zone->lock is held, so PageBuddy and the order are certain.
 */
static unsigned long take_one(struct compact_control *cc, struct page *page)
{
	unsigned int order;

	lockdep_assert_held(&cc->zone->lock);

	if (!PageBuddy(page))
		return 1;

	/* It has become a free block meanwhile. See compact_target_suitable(). */
	order = buddy_order(page);
	if (order >= pageblock_order)
		return 1UL << order;

	/*
	 * Near the watermark a large page may be too much where small ones are
	 * not. Only if even a base page is refused, there is nothing to be had.
	 */
	if (order >= cc->refused_order)
		return 1UL << order;
	if (!__isolate_free_page(page, order)) {
		cc->refused_order = order;
		return 1UL << order;
	}
	list_add(&page->lru, &cc->freepages[order]);
	cc->nr_freepages += 1U << order;
	return 1UL << order;
}

/*
 * One hold of zone->lock: go on from @pfn until enough is in hand, the block
 * ends, or COMPACT_CLUSTER_MAX pages have been looked at. The lock is not taken
 * before there is something to take.
 *
 * Under the lock the block's type is certain too. Somebody who has isolated the
 * block wants it empty.
 */
static unsigned long isolate_free_cluster(struct compact_control *cc,
					  unsigned long pfn,
					  unsigned long end_pfn,
					  unsigned int want)
{
	unsigned int looks = 0;
	unsigned long flags;

	while (!PageBuddy(pfn_to_page(pfn))) {
		pfn++;
		if (pfn >= end_pfn || ++looks >= COMPACT_CLUSTER_MAX)
			return pfn;
	}

	lock_zone(cc, &flags);
	if (is_migrate_isolate_page(pfn_to_page(pfn)))
		pfn = end_pfn;
	while (pfn < end_pfn && looks++ < COMPACT_CLUSTER_MAX &&
	       cc->nr_freepages < want && cc->refused_order)
		pfn = compact_advance(pfn, take_one(cc, pfn_to_page(pfn)),
				      end_pfn);
	spin_unlock_irqrestore(&cc->zone->lock, flags);

	return pfn;
}

/**
 * isolate_target - take free pages out of a block
 * @cc: the run; the pages are added to cc->freepages and cc->nr_freepages
 * @block: all in cc->zone; its start moves on to the first pfn not looked at
 * @want: stop once that many base pages are in hand; a larger free page is
 *	taken whole
 *
 * Passes over free pages that are too large to be taken without falling below
 * the watermark, noting that in cc->refused_order, and stops if that is every
 * page. release_targets() gives back what was not used.
 *
 * Context: process context, no spinlock held; may sleep. Takes zone->lock.
 */
void isolate_target(struct compact_control *cc, struct compact_block *block,
		    unsigned int want)
{
	unsigned long start_pfn = block->start_pfn;
	unsigned int had = cc->nr_freepages;
	unsigned long nr_scanned;

	while (block->start_pfn < block->end_pfn && cc->nr_freepages < want &&
	       cc->refused_order) {
		block->start_pfn = isolate_free_cluster(cc, block->start_pfn,
							block->end_pfn, want);
		if (compact_should_stop(cc))
			break;
	}

	nr_scanned = block->start_pfn - start_pfn;
	cc->target_taken += cc->nr_freepages - had;
	cc->total_free_scanned += nr_scanned;
	trace_mm_compaction_isolate_freepages(start_pfn, block->start_pfn,
					      nr_scanned,
					      cc->nr_freepages - had);
	count_isolated(cc->nr_freepages - had);
}

/* Is there anything left of the current target, and may it still be used? */
static bool target_left(struct compact_control *cc)
{
	return cc->target.start_pfn < cc->target.end_pfn &&
	       compact_target_suitable(cc, &cc->target);
}

/* Returns false if there is nothing left of the current target. */
static bool scan_target(struct compact_control *cc)
{
	int idx = compact_scan_begin();
	bool left = target_left(cc);

	if (left)
		isolate_target(cc, &cc->target, cc->nr_migratepages);
	compact_scan_end(idx);
	return left;
}

/* A page can be of another type than its list, if it was taken from a larger one. */
static bool may_fill(struct compact_control *cc, struct page *page)
{
	return cc->policy->may_fill(cc, compact_entry(cc->zone,
						      page_to_pfn(page))) &&
	       is_migrate_movable(get_pageblock_migratetype(page));
}

/* What has been looked at on the free lists, and what of it was taken. */
struct listed {
	unsigned int looks;
	unsigned int passed;
	unsigned long start_pfn;
	unsigned long end_pfn;
};

static void take_listed_page(struct compact_control *cc, struct page *page,
			     struct listed *listed)
{
	unsigned long pfn = page_to_pfn(page);

	listed->start_pfn = min(listed->start_pfn, pfn);
	listed->end_pfn = max(listed->end_pfn, pfn + (1UL << buddy_order(page)));
	take_one(cc, page);
}

/*
 * Where most blocks are nearly full, to look for the few free pages of one is to look
 * at all the others. On the free lists there is nothing else. Pages of blocks that are
 * too empty go to the end of their list: they are not met again soon, and allocations
 * leave those blocks alone the longer.
 */
static void take_from_list(struct compact_control *cc, unsigned int order,
			   struct listed *listed)
{
	struct list_head *list =
		&cc->zone->free_area[order].free_list[MIGRATE_MOVABLE];
	struct page *page, *next, *passed = NULL;

	list_for_each_entry_safe(page, next, list, buddy_list) {
		if (cc->nr_freepages >= cc->nr_migratepages ||
		    !cc->refused_order || page == passed ||
		    listed->looks == COMPACT_CLUSTER_MAX)
			break;
		listed->looks++;
		if (may_fill(cc, page)) {
			take_listed_page(cc, page, listed);
			continue;
		}
		listed->passed++;
		list_move_tail(&page->buddy_list, list);
		if (!passed)
			passed = page;
	}
}

/* Returns false if it is not worth while to go on like that. */
static bool take_listed(struct compact_control *cc)
{
	struct listed listed = { .start_pfn = ULONG_MAX };
	unsigned int order, nr = cc->nr_freepages;
	unsigned long flags;

	if (!cc->policy->use_lists || !cc->policy->use_lists(cc))
		return false;

	lock_zone(cc, &flags);
	for (order = 0; order < COMPACT_LISTED_ORDERS; order++)
		take_from_list(cc, order, &listed);
	spin_unlock_irqrestore(&cc->zone->lock, flags);

	nr = cc->nr_freepages - nr;
	cc->policy->listed(cc, listed.looks, nr);
	cc->total_free_scanned += listed.passed + nr;
	if (nr)
		trace_mm_compaction_isolate_freepages(listed.start_pfn,
						      listed.end_pfn,
						      listed.passed + nr, nr);
	count_isolated(nr);
	return nr;
}

/* Have at least one free page in hand, better as many as are to be moved. */
static bool refill_targets(struct compact_control *cc)
{
	while (cc->nr_freepages < cc->nr_migratepages && cc->refused_order &&
	       !fatal_signal_pending(current)) {
		if (!take_listed(cc) && !scan_target(cc) &&
		    !cc->policy->next_target(cc))
			break;
	}
	return cc->nr_freepages > 0;
}

/*
 * Take a base page out of the smallest free page in hand; the halves that are
 * left over by splitting it stay in hand. There must be one.
 */
static struct page *take_base_page(struct compact_control *cc)
{
	struct page *page;
	unsigned int order = 0;

	while (list_empty(&cc->freepages[order]))
		order++;

	page = list_first_entry(&cc->freepages[order], struct page, lru);
	list_del(&page->lru);
	while (order--)
		list_add(&page[1UL << order].lru, &cc->freepages[order]);
	cc->nr_freepages--;

	return page;
}

/**
 * compaction_alloc - migration wants a page to copy to
 * @src: the page that is to move; every target is as good as any other
 * @data: the struct compact_control of the run
 *
 * Context: process context, no spinlock held; may sleep.
 * Return: a page with a reference count of 1, or NULL if there is no target
 * left, upon which migrate_pages() gives up with -ENOMEM.
 */
struct page *compaction_alloc(struct page *src, unsigned long data)
{
	struct compact_control *cc = (struct compact_control *)data;
	struct page *page;

	page = list_first_entry_or_null(&cc->spare, struct page, lru);
	if (page) {
		list_del(&page->lru);
		return page;
	}

	if (!cc->nr_freepages && !refill_targets(cc))
		return NULL;

	page = take_base_page(cc);
	post_alloc_hook(page, 0, __GFP_MOVABLE);
	return page;
}

/**
 * compaction_free - migration has no use for a page after all
 * @page: from compaction_alloc(), with its one reference
 * @data: the struct compact_control of the run
 *
 * Kept for the next page of this run.
 */
void compaction_free(struct page *page, unsigned long data)
{
	struct compact_control *cc = (struct compact_control *)data;

	list_add(&page->lru, &cc->spare);
}

/* Give back pages of one order, COMPACT_CLUSTER_MAX to a hold of the lock. */
static void release_order(struct compact_control *cc, unsigned int order)
{
	struct list_head *list = &cc->freepages[order];
	unsigned long flags;
	struct page *page;
	unsigned int nr;

	while (!list_empty(list)) {
		spin_lock_irqsave(&cc->zone->lock, flags);
		for (nr = 0; nr < COMPACT_CLUSTER_MAX; nr++) {
			page = list_first_entry_or_null(list, struct page, lru);
			if (!page)
				break;
			list_del(&page->lru);
			/* The type that the block has now, not the one it had. */
			__putback_isolated_page(page, order,
						get_pageblock_migratetype(page));
		}
		spin_unlock_irqrestore(&cc->zone->lock, flags);
		cond_resched();
	}
}

/**
 * release_targets - give back the free pages that the run did not use
 * @cc: the run; it has no free page in hand afterwards
 *
 * Context: process context, no spinlock held; may sleep. Takes zone->lock.
 */
void release_targets(struct compact_control *cc)
{
	struct page *page, *next;
	unsigned int order;

	for (order = 0; order < MAX_ORDER; order++)
		release_order(cc, order);
	cc->nr_freepages = 0;

	list_for_each_entry_safe(page, next, &cc->spare, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}
