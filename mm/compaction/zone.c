// SPDX-License-Identifier: GPL-2.0
/*
 * The engine: one run over one zone.
 *
 * A policy names a block to empty; the block is emptied batch by batch; and so
 * on, until the policy has no block left, there is nowhere left to move pages
 * to, the caller has the free page it wanted, or the run must give way.
 */
#include <linux/bits.h>
#include <linux/compaction.h>
#include <linux/gfp.h>
#include <linux/migrate.h>
#include <linux/vmstat.h>
#include <trace/events/compaction.h>
#include "internal.h"

/*
 * May an allocation of cc->migratetype use the free pages of one order? Those
 * of its own type, those of CMA if it is movable, and those for which it may
 * change a block's type without harm.
 */
static bool area_suitable(struct compact_control *cc, unsigned int order)
{
	struct free_area *area = &cc->zone->free_area[order];
	bool can_steal;

	if (!free_area_empty(area, cc->migratetype))
		return true;
#ifdef CONFIG_CMA
	if (cc->migratetype == MIGRATE_MOVABLE &&
	    !free_area_empty(area, MIGRATE_CMA))
		return true;
#endif
	return find_suitable_fallback(area, order, cc->migratetype, true,
				      &can_steal) != -1;
}

static bool captured(struct compact_control *cc)
{
	return cc->capture && READ_ONCE(cc->capture->page);
}

/*
 * The usual goal: the page that is wanted has been captured, or an allocation
 * would find one on the free lists. Those are read without zone->lock, since
 * somebody may take the page in any case before the caller does.
 */
static enum compact_result page_goal(struct compact_control *cc)
{
	unsigned int order;

	if (cc->order < 0)
		return COMPACT_CONTINUE;
	if (captured(cc))
		return COMPACT_SUCCESS;

	for (order = cc->order; order < MAX_ORDER; order++)
		if (area_suitable(cc, order))
			return COMPACT_SUCCESS;

	return COMPACT_CONTINUE;
}

/* How things stand between two blocks, and at the end. */
static enum compact_result traced(struct compact_control *cc,
				  enum compact_result result)
{
	bool wants_page = cc->order >= 0;

	trace_mm_compaction_finished(cc->zone, cc->order,
				     result == COMPACT_CONTINUE && wants_page ?
				     COMPACT_NO_SUITABLE_PAGE : result);
	return result;
}

/* Put back what was isolated and not moved. */
static void putback_batch(struct compact_control *cc)
{
	putback_movable_pages(&cc->migratepages);
	cc->nr_migratepages = 0;
}

/* Count the pages that stayed. Without a target few of them were even tried. */
static void note_left_pages(struct compact_control *cc, bool had_targets)
{
	enum compact_failure no_target = COMPACT_FAIL_TARGET;
	struct page *page;

	if (fatal_signal_pending(current))
		no_target = COMPACT_FAIL_CONTENDED;
	else if (compact_at_watermark(cc))
		no_target = COMPACT_FAIL_WATERMARK;

	list_for_each_entry(page, &cc->migratepages, lru) {
		enum compact_failure why =
			(enum compact_failure)page_left_verdict(page);

		if (why == COMPACT_FAIL_BUSY && !had_targets)
			why = no_target;
		compact_failed(cc, why, page_to_pfn(page), compound_nr(page));
	}
}

/*
 * Move the isolated pages. Those that would not move go back to their lists:
 * they are busy, and the next run may find them otherwise. Returns false if
 * there was no page left to move to.
 */
static bool migrate_batch(struct compact_control *cc)
{
	unsigned int nr_succeeded = 0;
	bool had_targets;
	int ret;

	ret = migrate_pages(&cc->migratepages, compaction_alloc,
			    compaction_free, (unsigned long)cc, cc->mode,
			    MR_COMPACTION, &nr_succeeded);
	had_targets = ret != -ENOMEM;
	trace_mm_compaction_migratepages(cc, nr_succeeded);

	if (!list_empty(&cc->migratepages)) {
		note_left_pages(cc, had_targets);
		if (cc->skip_spoiled)
			cc->migrate_pfn = min(ALIGN(cc->migrate_pfn,
						    1UL << cc->order),
					      cc->source.end_pfn);
	}
	putback_batch(cc);
	return had_targets;
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

/*
 * The old places of pages that have moved wait on this CPU's list of free pages
 * and merge only once they leave it; their new places wait for the LRU lists. A
 * page of cc->order can come of that when the scanner leaves an aligned range of
 * that size. A goal of another kind looks at the free lists after each block.
 */
static bool left_range(struct compact_control *cc, unsigned long from_pfn)
{
	unsigned int order = pageblock_order;

	/* of a larger page the other half may be free already */
	if (cc->order >= 0 && cc->order < order)
		order = cc->order;

	/* it may have been one half of such a range, of which the other is free */
	return cc->migrate_pfn >= cc->source.end_pfn ||
	       from_pfn >> order != cc->migrate_pfn >> order;
}

/*
 * No page to move to is left anywhere. If it is reclaim that is needed, as not even
 * a base page may be taken, that is not to be held against the zone. What has been
 * freed by then may be what was wanted.
 */
static enum compact_result out_of_targets(struct compact_control *cc)
{
	lru_add_drain_cpu_zone(cc->zone);
	if (fatal_signal_pending(current)) {
		cc->contended = true;
		return COMPACT_CONTENDED;
	}
	if (compact_at_watermark(cc))
		return COMPACT_CONTENDED;
	if (cc->goal(cc) == COMPACT_SUCCESS)
		return COMPACT_SUCCESS;
	compact_failed_run(cc->zone, COMPACT_FAIL_TARGET);
	return COMPACT_COMPLETE;
}

/* Take a batch. Returns false if there is none left to take, or none to be had. */
static bool scan_source(struct compact_control *cc)
{
	int ret = throttle_isolation(cc);
	bool left = false;
	int idx;

	if (!ret) {
		idx = compact_scan_begin();
		left = source_left(cc);
		if (left)
			ret = isolate_source(cc, cc->source.end_pfn);
		compact_scan_end(idx);
	}
	if (ret) {
		putback_batch(cc);
		cc->contended = true;
	}
	return left && !ret;
}

/*
 * Empty cc->source. Returns COMPACT_CONTINUE if the run may go on. Unless the
 * page that is wanted has been captured, the block is finished first, even if
 * somebody else wanted a lock: half a block would be in the way of the next page of
 * a block's size.
 */
static enum compact_result empty_block(struct compact_control *cc)
{
	bool freed = false;
	unsigned long from_pfn;

	cc->migrate_pfn = cc->source.start_pfn;
	from_pfn = cc->migrate_pfn;
	while (scan_source(cc)) {
		if (cc->nr_migratepages) {
			freed = true;
			if (!migrate_batch(cc))
				return out_of_targets(cc);
		}
		if (freed && left_range(cc, from_pfn)) {
			lru_add_drain_cpu_zone(cc->zone);
			freed = false;
		}
		if (captured(cc))
			return COMPACT_SUCCESS;
		from_pfn = cc->migrate_pfn;
	}
	return cc->contended ? COMPACT_CONTENDED : COMPACT_CONTINUE;
}

/*
 * The run has to give way. What it has done may have been enough all the same, or
 * somebody else has freed what was wanted.
 */
static enum compact_result give_way(struct compact_control *cc)
{
	if (cc->goal(cc) == COMPACT_SUCCESS)
		return COMPACT_SUCCESS;

	if (cc->contended) {
		cc->failed_here |= BIT(COMPACT_FAIL_CONTENDED);
		compact_failed_run(cc->zone, COMPACT_FAIL_CONTENDED);
	} else {
		compact_failed_run(cc->zone, COMPACT_FAIL_WATERMARK);
	}
	return COMPACT_CONTENDED;
}

/* There is none left, or none is wanted any more. */
static enum compact_result no_source(struct compact_control *cc)
{
	if (cc->contended)
		return give_way(cc);
	if (cc->verdict == COMPACT_CONTINUE)
		cc->verdict = cc->goal(cc);
	return cc->verdict == COMPACT_CONTINUE ? COMPACT_COMPLETE : cc->verdict;
}

static enum compact_result run(struct compact_control *cc)
{
	enum compact_result result;

	while ((cc->verdict = traced(cc, cc->goal(cc))) == COMPACT_CONTINUE) {
		if (!cc->policy->next_source(cc))
			return traced(cc, no_source(cc));

		result = empty_block(cc);
		if (result == COMPACT_CONTENDED)
			result = give_way(cc);
		compact_block_done(cc);
		if (result != COMPACT_CONTINUE)
			return traced(cc, result);
	}
	return cc->verdict;
}

/*
 * The last resort leaves nothing out. And an order above that of a pageblock takes
 * blocks that lie beside each other, of which the index knows nothing.
 */
static const struct compact_policy *usual_policy(struct compact_control *cc)
{
	return cc->any_target || cc->order > (int)pageblock_order ?
	       &compact_linear : &compact_cheapest;
}

/**
 * compact_zone - compact a zone
 * @cc: what to do: zone, order (-1: no page in particular), migratetype,
 *	gfp_mask, mode and, if they are not to be the usual ones, goal, policy and
 *	the fields between contended and goal; the rest is zero
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
 * * COMPACT_SUCCESS - a page of the order asked for is free or captured, or the
 *   caller's own goal is reached
 * * COMPACT_COMPLETE - all blocks have been dealt with
 * * COMPACT_PARTIAL_SKIPPED - all blocks that earlier runs had left, or that
 *   nobody else works on, have been dealt with; or the caller's own goal is
 *   not wanted any more
 * * COMPACT_CONTENDED - stopped for somebody else's sake, killed, or at the
 *   watermark
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
	if (!cc->goal)
		cc->goal = page_goal;
	if (!cc->policy)
		cc->policy = usual_policy(cc);
	cc->policy->begin(cc);
	lru_add_drain();

	trace_mm_compaction_begin(cc, zone_start, zone_end, sync);
	result = run(cc);
	if (!cc->policy->end(cc) && result == COMPACT_COMPLETE)
		result = COMPACT_PARTIAL_SKIPPED;
	release_targets(cc);
	compact_flush_failures(cc);
	trace_mm_compaction_end(cc, zone_start, zone_end, sync, result);

	count_vm_events(COMPACTMIGRATE_SCANNED, cc->total_migrate_scanned);
	count_vm_events(COMPACTFREE_SCANNED, cc->total_free_scanned);
	return result;
}
