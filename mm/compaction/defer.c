// SPDX-License-Identifier: GPL-2.0
/*
 * Backing off from a zone in which compaction has failed.
 *
 * After a run that was seen through and did not lead to a page, attempts for
 * that order and larger ones are skipped: 2, then 4, 8, up to 64 of them, until
 * one is made again. Attempts are counted and not time, so that nothing happens
 * to a zone that nobody wants large pages from.
 *
 * An allocation that succeeds ends all that; a run that merely should have made
 * one succeed only lets its own order through again.
 *
 * Several tasks may get here at once. The figures are hints: what is lost to a
 * race is one attempt more or less.
 *
 * The idea and its limits come from Mel Gorman's series of April 2010.
 */
#include <linux/compaction.h>
#include <linux/mmzone.h>
#include <trace/events/compaction.h>
#include "internal.h"

#define COMPACT_MAX_DEFER_SHIFT	6

/**
 * compact_deferred - is this attempt to be skipped? Counts it if so.
 * @zone: the zone
 * @order: the order that is wanted
 *
 * Context: any.
 * Return: true if it is.
 */
bool compact_deferred(struct zone *zone, int order)
{
	struct zone_compaction *zc = &zone->compaction;
	unsigned int shift = READ_ONCE(zc->defer_shift);
	unsigned int skipped = READ_ONCE(zc->considered);

	if (!shift || order < READ_ONCE(zc->order_failed))
		return false;
	if (skipped >= 1U << shift)
		return false;

	WRITE_ONCE(zc->considered, skipped + 1);
	trace_mm_compaction_deferred(zone, order);
	return true;
}

/**
 * compact_defer - an attempt has failed: let more pass than last time
 * @zone: the zone
 * @order: the order that was wanted
 *
 * Context: any.
 */
void compact_defer(struct zone *zone, int order)
{
	struct zone_compaction *zc = &zone->compaction;
	unsigned int shift = READ_ONCE(zc->defer_shift);

	/* The first failure says nothing of smaller orders. */
	if (!shift || order < READ_ONCE(zc->order_failed))
		WRITE_ONCE(zc->order_failed, order);
	WRITE_ONCE(zc->considered, 0);
	WRITE_ONCE(zc->defer_shift,
		   min_t(unsigned int, shift + 1, COMPACT_MAX_DEFER_SHIFT));

	trace_mm_compaction_defer_compaction(zone, order);
}

/**
 * compaction_defer_reset - an attempt has not failed
 * @zone: the zone
 * @order: the order that was wanted
 * @alloc_success: the page has been allocated; false if it only should be
 *
 * Context: any.
 */
void compaction_defer_reset(struct zone *zone, int order, bool alloc_success)
{
	struct zone_compaction *zc = &zone->compaction;

	if (alloc_success) {
		WRITE_ONCE(zc->considered, 0);
		WRITE_ONCE(zc->defer_shift, 0);
	}
	if (order >= READ_ONCE(zc->order_failed))
		WRITE_ONCE(zc->order_failed, order + 1);

	trace_mm_compaction_defer_reset(zone, order);
}
