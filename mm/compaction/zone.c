// SPDX-License-Identifier: GPL-2.0
/*
 * The engine: one run over one zone.
 *
 * A policy names a block to empty; the block is emptied batch by batch; and so
 * on, until the policy has no block left, there is nowhere left to move pages
 * to, the caller has the free page it wanted, or the run must give way.
 */
#include <linux/compaction.h>
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/vmstat.h>
#include <trace/events/compaction.h>
#include "internal.h"

/* The whole zone is to be compacted, not one free page made. */
static bool whole_zone(struct compact_control *cc)
{
	return cc->order < 0;
}

/*
 * Would an allocation of cc->order now find a page on the free lists? Only
 * lists that it may use without spoiling a block of another type count. Read
 * without zone->lock, since somebody may take the page in any case before the
 * caller does.
 */
static bool goal_reached(struct compact_control *cc)
{
	int order;

	if (whole_zone(cc))
		return false;

	for (order = cc->order; order < MAX_ORDER; order++) {
		struct free_area *area = &cc->zone->free_area[order];

		if (!free_area_empty(area, cc->migratetype))
			return true;
#ifdef CONFIG_CMA
		if (cc->migratetype == MIGRATE_MOVABLE &&
		    !free_area_empty(area, MIGRATE_CMA))
			return true;
#endif
		/* A whole block may change its type without harm. */
		if (order >= pageblock_order &&
		    !free_area_empty(area, MIGRATE_MOVABLE))
			return true;
	}
	return false;
}

/* Put back what was isolated and not moved. */
static void putback_batch(struct compact_control *cc)
{
	putback_movable_pages(&cc->migratepages);
	cc->nr_migratepages = 0;
}

/*
 * Move the isolated pages. Those that would not move go back to their lists:
 * they are busy, and the next run may find them otherwise. Returns false if
 * there was no page left to move to.
 */
static bool migrate_batch(struct compact_control *cc)
{
	unsigned int nr_succeeded = 0;
	int ret;

	ret = migrate_pages(&cc->migratepages, compaction_alloc,
			    compaction_free, (unsigned long)cc, cc->mode,
			    MR_COMPACTION, &nr_succeeded);
	trace_mm_compaction_migratepages(cc, nr_succeeded);
	putback_batch(cc);

	return ret != -ENOMEM;
}

/* Is there anything left of cc->source, and is it still ours to empty? */
static bool source_left(struct compact_control *cc)
{
	struct compact_block rest = {
		.start_pfn = cc->migrate_pfn,
		.end_pfn = cc->source.end_pfn,
	};

	return rest.start_pfn < rest.end_pfn &&
	       compact_source_suitable(cc, &rest);
}

/* Empty cc->source. Returns COMPACT_CONTINUE if the run may go on. */
static enum compact_result empty_block(struct compact_control *cc)
{
	bool had_targets = true;

	cc->migrate_pfn = cc->source.start_pfn;

	while (source_left(cc) && had_targets && !cc->contended) {
		if (isolate_source(cc, cc->source.end_pfn)) {
			putback_batch(cc);
			return COMPACT_CONTENDED;
		}
		if (cc->nr_migratepages)
			had_targets = migrate_batch(cc);
	}

	if (cc->contended)
		return COMPACT_CONTENDED;
	if (!had_targets)
		return cc->watermark_hit ? COMPACT_PARTIAL_SKIPPED :
					   COMPACT_COMPLETE;

	/* Freed pages merge only once they leave this CPU's lists. */
	if (!whole_zone(cc))
		drain_local_pages(cc->zone);

	return COMPACT_CONTINUE;
}

static enum compact_result run(struct compact_control *cc)
{
	enum compact_result result = COMPACT_CONTINUE;

	while (result == COMPACT_CONTINUE) {
		if (goal_reached(cc))
			result = COMPACT_SUCCESS;
		else if (cc->policy->next_source(cc))
			result = empty_block(cc);
		else
			result = cc->contended ? COMPACT_CONTENDED :
						 COMPACT_COMPLETE;
	}
	return result;
}

/**
 * compact_zone - compact a zone
 * @cc: what to do: zone, order (-1 for the whole zone), migratetype, gfp_mask,
 *	mode and, if it is not to be the linear one, policy; the rest is zero
 *
 * Moves movable pages of the zone together so that free memory merges into
 * larger pages. Whatever the result, no page stays isolated and every free page
 * that was not used is back on its list.
 *
 * Of the pages still waiting in per-cpu batches for their LRU list only those
 * of this CPU are put there: to reach the other CPUs one has to wait for work
 * to run on them, which a caller that handles a page fault must not do. A
 * caller that can wait drains them all beforehand.
 *
 * Context: process context, no spinlock held; may sleep. mmap_lock may be held.
 * Return:
 * * COMPACT_SUCCESS - a page of the order asked for is free
 * * COMPACT_COMPLETE - all blocks have been dealt with
 * * COMPACT_PARTIAL_SKIPPED - stopped, or free memory falls below the watermark
 * * COMPACT_CONTENDED - stopped for somebody else's sake, or killed
 */
enum compact_result compact_zone(struct compact_control *cc)
{
	unsigned long zone_start = cc->zone->zone_start_pfn;
	unsigned long zone_end = zone_end_pfn(cc->zone);
	bool sync = cc->mode != MIGRATE_ASYNC;
	enum compact_result result;

	INIT_LIST_HEAD(&cc->migratepages);
	compact_targets_init(cc);
	cc->migrate_pfn = zone_start;
	cc->target.start_pfn = zone_end;
	cc->target.end_pfn = zone_end;
	if (!cc->policy)
		cc->policy = &compact_linear;
	cc->policy->begin(cc);
	lru_add_drain();

	trace_mm_compaction_begin(cc, zone_start, zone_end, sync);
	result = run(cc);
	release_targets(cc);
	trace_mm_compaction_end(cc, zone_start, zone_end, sync, result);

	count_vm_events(COMPACTMIGRATE_SCANNED, cc->total_migrate_scanned);
	count_vm_events(COMPACTFREE_SCANNED, cc->total_free_scanned);
	return result;
}
