// SPDX-License-Identifier: GPL-2.0
/*
 * Both scanners over a range that somebody else has chosen: the two ends of
 * alloc_contig_range(), for CMA, gigantic pages and virtio-mem.
 *
 * The range has been marked MIGRATE_ISOLATE, so what becomes free in it stays
 * free. Built with CONFIG_CMA alone, too.
 */
#include <trace/events/compaction.h>
#include "internal.h"

/**
 * isolate_migratepages_range - take movable pages out of a range
 * @cc: zone, mode and context; the pages are added to cc->migratepages
 * @low_pfn: first page of the range
 * @end_pfn: end of the range, exclusive
 *
 * Stops after a batch of COMPACT_CLUSTER_MAX pages, with cc->migrate_pfn at the
 * first page that it has not looked at. Parts of the range that are holes or
 * belong to another zone are passed over.
 *
 * Context: process context, no spinlock held; may sleep.
 * Return: 0, or an error as throttle_isolation() or isolate_source() gives it.
 */
int isolate_migratepages_range(struct compact_control *cc,
			       unsigned long low_pfn, unsigned long end_pfn)
{
	unsigned long zone_end = zone_end_pfn(cc->zone);
	int ret = 0;

	cc->migrate_pfn = low_pfn;
	while (cc->migrate_pfn < end_pfn &&
	       cc->nr_migratepages < COMPACT_CLUSTER_MAX) {
		unsigned long block_end = min3(pageblock_end_pfn(cc->migrate_pfn),
					       end_pfn, zone_end);

		/*
		 * isolate_single_pageblock() has the end from the size of a compound
		 * page that may be freed and reused meanwhile, and a zone without
		 * holes answers for every page, whether it has it or not.
		 */
		if (cc->migrate_pfn >= zone_end) {
			cc->migrate_pfn = end_pfn;
			break;
		}
		if (!pageblock_pfn_to_page(cc->migrate_pfn, block_end,
					   cc->zone)) {
			cc->migrate_pfn = block_end;
			continue;
		}

		ret = throttle_isolation(cc) ?: isolate_source(cc, block_end);
		if (cc->migrate_pfn >= block_end)
			compact_block_done(cc);
		if (ret)
			break;
	}
	compact_flush_failures(cc);
	return ret;
}

/*
 * Take the free page that starts at @pfn off its list and give every base page
 * of it a reference of its own. Returns its size, or 0 if @pfn is not the start
 * of a free page of the zone.
 */
static unsigned long take_free_page(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	unsigned long nr = 0;
	unsigned long flags;
	unsigned int order;

	if (!page || page_zone(page) != zone)
		return 0;

	spin_lock_irqsave(&zone->lock, flags);
	if (PageBuddy(page)) {
		order = buddy_order(page);
		nr = __isolate_free_page(page, order);
	}
	spin_unlock_irqrestore(&zone->lock, flags);

	if (nr) {
		post_alloc_hook(page, order, __GFP_MOVABLE);
		if (order)
			split_page(page, order);
	}
	return nr;
}

/**
 * isolate_freepages_range - take all free pages of a range
 * @cc: names the zone
 * @start_pfn: first page of the range; must be the start of a free page
 * @end_pfn: end of the range, exclusive
 *
 * All or nothing: every page must be free and in the zone. On success each base
 * page has a reference count of 1 and the caller may free it on its own.
 *
 * Context: process context, no spinlock held. Takes zone->lock.
 * Return: the end of the last page taken, which is beyond @end_pfn if a free
 * page reaches across it; 0 if some page was not free, with all pages back.
 */
unsigned long isolate_freepages_range(struct compact_control *cc,
				      unsigned long start_pfn,
				      unsigned long end_pfn)
{
	unsigned long pfn = start_pfn;

	while (pfn < end_pfn) {
		unsigned long nr = take_free_page(cc->zone, pfn);

		if (!nr)
			break;
		pfn += nr;
		cond_resched();
	}

	trace_mm_compaction_isolate_freepages(start_pfn, pfn, pfn - start_pfn,
					      pfn - start_pfn);
	count_isolated(pfn - start_pfn);
	if (pfn >= end_pfn)
		return pfn;

	free_contig_range(start_pfn, pfn - start_pfn);
	return 0;
}
