// SPDX-License-Identifier: GPL-2.0
/*
 * Direct compaction: an allocation that failed works for its page itself.
 *
 * The page allocator names the zones that it may use, and how hard to try. Each
 * zone in turn is asked whether it is of use (suitable.c) and not too soon
 * (defer.c), and compacted until a page of the order is free. A page that
 * becomes free on the way is captured for the task before anybody else sees it.
 *
 * The page allocator holds no spinlock here, but the task may hold anything that
 * an allocation with its gfp flags may be made under, mmap_lock for one.
 */
#include <linux/compaction.h>
#include <linux/cpuset.h>
#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <trace/events/compaction.h>
#include <trace/events/oom.h>
#include "internal.h"

/*
 * Attempts that make progress and yet no page of the order before the allocation
 * looks for other ways; a quarter of that for costly orders, whose callers can
 * do without. One that had to stop counts for a quarter of them.
 */
#define MAX_COMPACT_RETRIES	16

static void init_control(struct compact_control *cc, struct zone *zone,
			 unsigned int order, gfp_t gfp_mask,
			 enum compact_priority prio)
{
	bool async = prio == COMPACT_PRIO_ASYNC;
	bool last_resort = prio == MIN_COMPACT_PRIORITY;

	*cc = (struct compact_control) {
		.zone = zone,
		.order = order,
		.migratetype = gfp_migratetype(gfp_mask),
		.gfp_mask = gfp_mask,
		.mode = async ? MIGRATE_ASYNC : MIGRATE_SYNC_LIGHT,
		.from_the_ends = last_resort,
		.any_target = last_resort,
		.skip_spoiled = async,
	};
}

/*
 * Run with the buddy allocator told to keep a page for this task. An interrupt
 * on this CPU may free a page, and look at the control, at any time: so it is
 * complete before it is published, and withdrawn before the page is taken.
 */
static enum compact_result compact_and_capture(struct compact_control *cc,
					       struct page **page)
{
	struct capture_control capture = {
		.zone = cc->zone,
		.order = cc->order,
		.migratetype = cc->migratetype,
	};
	enum compact_result result;

	cc->capture = &capture;
	barrier();
	WRITE_ONCE(current->capture_control, &capture);

	result = compact_zone(cc);

	WRITE_ONCE(current->capture_control, NULL);
	barrier();
	*page = READ_ONCE(capture.page);

	/* It can come at the last moment, whatever the run has made of it. */
	return *page ? COMPACT_SUCCESS : result;
}

/*
 * Free pages that wait on a per-cpu list count for nothing and merge with nothing: if
 * those of this CPU would make room to work in, they are put back. To have other CPUs
 * do the same is not for an allocation, see compact_zone().
 */
static void make_room(struct zone *zone, unsigned int order, int highest_zoneidx)
{
	unsigned long nr_free = zone_page_state(zone, NR_FREE_PAGES);
	unsigned long waiting =
		READ_ONCE(raw_cpu_ptr(zone->per_cpu_pageset)->count);

	if (!compact_room(zone, order, highest_zoneidx, nr_free) &&
	    compact_room(zone, order, highest_zoneidx, nr_free + waiting))
		lru_add_drain_cpu_zone(zone);
}

/*
 * Who asks for a large page and would rather do without than have memory turned over
 * for it leaves the room to work in above the low watermark.
 */
static bool would_do_without(struct zone *zone, unsigned int order, gfp_t gfp_mask,
			     int highest_zoneidx)
{
	unsigned long mark = low_wmark_pages(zone) + compact_gap(order);

	return order > PAGE_ALLOC_COSTLY_ORDER && (gfp_mask & __GFP_NORETRY) &&
	       !zone_watermark_ok(zone, 0, mark, highest_zoneidx, ALLOC_CMA);
}

static enum compact_result
compact_zone_for_page(struct zone *zone, unsigned int order, gfp_t gfp_mask,
		      unsigned int alloc_flags, int highest_zoneidx,
		      enum compact_priority prio, struct page **page)
{
	struct compact_control cc;
	enum compact_result result;

	make_room(zone, order, highest_zoneidx);
	result = compact_verdict(zone, order, alloc_flags, highest_zoneidx);
	if (result != COMPACT_CONTINUE)
		return result;
	if (would_do_without(zone, order, gfp_mask, highest_zoneidx)) {
		compact_failed_run(zone, COMPACT_FAIL_WATERMARK);
		return COMPACT_SKIPPED;
	}

	init_control(&cc, zone, order, gfp_mask, prio);
	return compact_and_capture(&cc, page);
}

/*
 * Let the zone's record show how it went. That a run which waited for nobody
 * found no page says too little to hold it against the zone.
 */
static void remember(struct zone *zone, unsigned int order,
		     enum compact_priority prio, enum compact_result result)
{
	if (result == COMPACT_SUCCESS)
		compaction_defer_reset(zone, order, false);
	else if (prio != COMPACT_PRIO_ASYNC &&
		 (result == COMPACT_COMPLETE ||
		  result == COMPACT_PARTIAL_SKIPPED))
		compact_defer(zone, order);
}

/*
 * The nodemask is that of the memory policy; the cpuset is asked zone by zone, as
 * get_page_from_freelist() does. A captured page does not pass by there.
 */
static bool forbidden_by_cpuset(struct zone *zone, gfp_t gfp_mask,
				unsigned int alloc_flags)
{
	return cpusets_enabled() && (alloc_flags & ALLOC_CPUSET) &&
	       !__cpuset_zone_allowed(zone, gfp_mask);
}

/**
 * try_to_compact_pages - compact for an allocation that failed
 * @gfp_mask: of the allocation
 * @order: of the allocation, 1 to MAX_ORDER - 1
 * @alloc_flags: of the allocation
 * @ac: zonelist, nodemask and highest zone of the allocation
 * @prio: how hard to try; at %MIN_COMPACT_PRIORITY nothing is deferred, zones are
 *	gone over from end to end, and any block may be filled
 * @page: NULL; where to put a page that has been captured for the caller, which
 *	is to prepare it for use
 *
 * Context: process context, may sleep; PF_MEMALLOC is set, since the memory
 * that is needed meanwhile must not be reclaimed for.
 * Return: the best result of any zone, in the order of enum compact_result;
 * %COMPACT_SUCCESS ends the search.
 */
enum compact_result try_to_compact_pages(gfp_t gfp_mask, unsigned int order,
					 unsigned int alloc_flags,
					 const struct alloc_context *ac,
					 enum compact_priority prio,
					 struct page **page)
{
	enum compact_result best = COMPACT_SKIPPED;
	struct zoneref *z;
	struct zone *zone;

	if (!gfp_compaction_allowed(gfp_mask))
		return COMPACT_SKIPPED;

	trace_mm_compaction_try_to_compact_pages(order, gfp_mask, prio);

	for_each_zone_zonelist_nodemask(zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		enum compact_result result;

		if (forbidden_by_cpuset(zone, gfp_mask, alloc_flags))
			continue;
		if (prio > MIN_COMPACT_PRIORITY &&
		    compact_deferred(zone, order)) {
			compact_failed_run(zone, COMPACT_FAIL_DEFERRED);
			best = max(best, COMPACT_DEFERRED);
			continue;
		}

		result = compact_zone_for_page(zone, order, gfp_mask,
					       alloc_flags, ac->highest_zoneidx,
					       prio, page);
		remember(zone, order, prio, result);
		best = max(best, result);

		/* Who does not want to wait does not want to be long either. */
		if (result == COMPACT_SUCCESS ||
		    fatal_signal_pending(current) ||
		    (prio == COMPACT_PRIO_ASYNC && need_resched()))
			break;
	}
	return best;
}

static enum compact_priority last_priority(int order)
{
	return order > PAGE_ALLOC_COSTLY_ORDER ? MIN_COMPACT_COSTLY_PRIORITY :
						 MIN_COMPACT_PRIORITY;
}

/* Try harder next time, if that is possible. */
static bool raise_priority(int order, enum compact_priority *prio,
			   int *retries)
{
	if (*prio <= last_priority(order))
		return false;

	(*prio)--;
	*retries = 0;
	return true;
}

/*
 * Is more of the same worth a try? A run that got somewhere says so, and one that had
 * to stop half way does not say no: before the next one there is reclaim again. But of
 * several zones, others may have been gone over from end to end.
 */
static bool may_repeat(enum compact_result result, int order,
		       enum compact_priority prio, int max_retries, int *retries)
{
	bool stopped = result == COMPACT_CONTENDED && prio <= last_priority(order);

	if (*retries >= max_retries ||
	    (!stopped && !compaction_made_progress(result)))
		return false;
	*retries += stopped ? max_retries / 4 : 1;
	return true;
}

/**
 * should_compact_retry - is another round of reclaim and compaction worth it?
 * @ac: zonelist, nodemask and highest zone of the allocation
 * @order: of the allocation
 * @alloc_flags: of the allocation
 * @result: of the last try_to_compact_pages()
 * @prio: at which priority that was; made higher for the next round
 * @retries: rounds at this priority, see below; kept for the caller
 *
 * Comes to an end: only rounds that make progress repeat at one priority, or at
 * the last one those that had to stop, and they are counted; there are three
 * priorities; and a zone in need of reclaim is waited for only while the caller's
 * reclaim gets somewhere.
 *
 * Context: process context.
 * Return: true if the allocation should try again.
 */
bool should_compact_retry(struct alloc_context *ac, int order, int alloc_flags,
			  enum compact_result result,
			  enum compact_priority *prio, int *retries)
{
	enum compact_priority was = *prio;
	int max_retries = MAX_COMPACT_RETRIES;
	int had = *retries;
	bool retry;

	if (!order || fatal_signal_pending(current))
		return false;

	if (order > PAGE_ALLOC_COSTLY_ORDER)
		max_retries /= 4;

	if (compaction_needs_reclaim(result))
		retry = compaction_zonelist_suitable(ac, order, alloc_flags);
	else if (may_repeat(result, order, *prio, max_retries, retries))
		retry = true;
	else
		retry = raise_priority(order, prio, retries);

	trace_compact_retry(order, was, result, had, max_retries, retry);
	return retry;
}
