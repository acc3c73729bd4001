// SPDX-License-Identifier: GPL-2.0
/*
 * Is it any use to compact a zone for an allocation?
 *
 * Not if the allocation would succeed as it is; not if so little is free that
 * there is no room to move pages about in; and not, for an order that is costly,
 * if the fragmentation index says that lack of memory is to blame, since then
 * reclaim is what helps.
 *
 *   /proc/sys/vm/extfrag_threshold (0644): 0 to 1000; an index up to this is
 *	taken for lack of memory
 */
#include <linux/compaction.h>
#include <linux/swap.h>
#include <linux/sysctl.h>
#include <linux/vmstat.h>
#include <trace/events/compaction.h>
#include "internal.h"

int sysctl_extfrag_threshold __read_mostly = 500;

/**
 * compact_room - would there be room to work in?
 * @zone: the zone
 * @order: the order that is wanted
 * @highest_zoneidx: of the allocation
 * @nr_free: with so many free pages
 *
 * The free scanner is subject to the min watermark (__isolate_free_page()), so it is
 * that one, with the gap on top. No more is asked for however large the order: what is
 * worked on is a block at a time, and what comes of it goes to the allocation itself.
 * Free pages of CMA will do as targets, and zones that the allocation may only use
 * down to their reserve are judged with the reserve.
 *
 * Context: any.
 * Return: true if so.
 */
bool compact_room(struct zone *zone, int order, int highest_zoneidx,
		  unsigned long nr_free)
{
	unsigned long mark = min_wmark_pages(zone) + compact_gap(order);

	return __zone_watermark_ok(zone, 0, mark, highest_zoneidx, ALLOC_CMA,
				   nr_free);
}

static bool would_succeed(struct zone *zone, int order,
			  unsigned int alloc_flags, int highest_zoneidx)
{
	unsigned long mark = wmark_pages(zone, alloc_flags & ALLOC_WMARK_MASK);

	return zone_watermark_ok(zone, order, mark, highest_zoneidx,
				 alloc_flags);
}

/* Orders that are not costly are worth a try however bad the odds. */
static bool memory_is_lacking(struct zone *zone, int order)
{
	int index;

	if (order <= PAGE_ALLOC_COSTLY_ORDER)
		return false;

	index = fragmentation_index(zone, order);
	return index >= 0 && index <= sysctl_extfrag_threshold;
}

/* COMPACT_NOT_SUITABLE_ZONE: it is the index that speaks against it. */
static enum compact_result verdict(struct zone *zone, int order,
				   unsigned int alloc_flags,
				   int highest_zoneidx)
{
	enum compact_result result = COMPACT_CONTINUE;

	if (would_succeed(zone, order, alloc_flags, highest_zoneidx))
		result = COMPACT_SUCCESS;
	else if (!compact_room(zone, order, highest_zoneidx,
			       zone_page_state(zone, NR_FREE_PAGES)))
		result = COMPACT_SKIPPED;
	else if (memory_is_lacking(zone, order))
		result = COMPACT_NOT_SUITABLE_ZONE;

	trace_mm_compaction_suitable(zone, order, result);
	return result;
}

/**
 * compact_verdict - compaction_suitable() for one who is about to compact
 * @zone: the zone
 * @order: the order that is wanted, at least 0
 * @alloc_flags: of the allocation; says which watermark it has to keep
 * @highest_zoneidx: of the allocation
 *
 * Counts what speaks against it.
 *
 * Context: any.
 * Return: as compaction_suitable().
 */
enum compact_result compact_verdict(struct zone *zone, int order,
				    unsigned int alloc_flags,
				    int highest_zoneidx)
{
	switch (verdict(zone, order, alloc_flags, highest_zoneidx)) {
	case COMPACT_SKIPPED:
		compact_failed_run(zone, COMPACT_FAIL_WATERMARK);
		return COMPACT_SKIPPED;
	case COMPACT_NOT_SUITABLE_ZONE:
		compact_failed_run(zone, COMPACT_FAIL_THRESHOLD);
		return COMPACT_SKIPPED;
	case COMPACT_SUCCESS:
		return COMPACT_SUCCESS;
	default:
		return COMPACT_CONTINUE;
	}
}

/**
 * compaction_suitable - is it any use to compact this zone now?
 * @zone: the zone
 * @order: the order that is wanted; -1: the whole zone, which is always of use
 * @alloc_flags: of the allocation; says which watermark it has to keep
 * @highest_zoneidx: of the allocation
 *
 * Reclaim asks too: it stops when there is room for compaction to work in.
 *
 * Context: any.
 * Return:
 * * COMPACT_SUCCESS - no: the allocation should succeed without
 * * COMPACT_SKIPPED - no: memory is lacking, or there is no room to work in;
 *   reclaim is what helps
 * * COMPACT_CONTINUE - yes
 */
enum compact_result compaction_suitable(struct zone *zone, int order,
					unsigned int alloc_flags,
					int highest_zoneidx)
{
	enum compact_result result;

	if (order < 0)
		return COMPACT_CONTINUE;

	result = verdict(zone, order, alloc_flags, highest_zoneidx);
	return result == COMPACT_NOT_SUITABLE_ZONE ? COMPACT_SKIPPED : result;
}

/**
 * compaction_zonelist_suitable - could reclaim make room to compact anywhere?
 * @ac: zonelist, nodemask and highest zone of the allocation
 * @order: the order that is wanted, at least 1
 * @alloc_flags: of the allocation
 *
 * Not all that can be reclaimed is counted on, but the less of it the larger
 * the order: nobody's memory is to be turned over for a single large page that
 * may not come of it.
 *
 * Context: process context.
 * Return: true if some zone would be worth compacting after reclaim.
 */
bool compaction_zonelist_suitable(struct alloc_context *ac, int order,
				  int alloc_flags)
{
	struct zoneref *z;
	struct zone *zone;

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		unsigned long nr = zone_page_state_snapshot(zone, NR_FREE_PAGES);

		nr += zone_reclaimable_pages(zone) / order;
		if (!would_succeed(zone, order, alloc_flags,
				   ac->highest_zoneidx) &&
		    compact_room(zone, order, ac->highest_zoneidx, nr))
			return true;
	}
	return false;
}

static struct ctl_table extfrag_sysctls[] = {
	{
		.procname	= "extfrag_threshold",
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.data		= &sysctl_extfrag_threshold,
		.maxlen		= sizeof(sysctl_extfrag_threshold),
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE_THOUSAND,
	},
	{ }
};

static int __init extfrag_sysctl_init(void)
{
	register_sysctl_init("vm", extfrag_sysctls);
	return 0;
}
subsys_initcall(extfrag_sysctl_init);
