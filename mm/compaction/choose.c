// SPDX-License-Identifier: GPL-2.0
/*
 * Which block next?
 *
 * The linear policy is the one of 2010: blocks are emptied from the bottom of
 * the zone upwards and filled from its top downwards, until the two meet:
 *
 *   zone start                                                   zone end
 *   |  emptied  | source |      not looked at      | target |  filled  |
 *                        ^ source_end              ^ target_start
 *
 * A run that ends before they meet leaves its place to the next one, so that a
 * zone is not gone over from its beginning for each page that is wanted. Runs
 * that wait for pages have a place of their own to go on emptying from, as they
 * can move what the others had to pass over.
 *
 * A block is whatever part of a pageblock lies in the zone, so a zone that
 * begins or ends in the middle of a pageblock needs no special case. Pages of
 * the two cursors are always in different blocks.
 */
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include "internal.h"

/*
 * Is the page part of a free page that covers whole pageblocks? Nothing to
 * move out of there, and to fill it would break up what the run is to make.
 *
 * A free page larger than a pageblock is marked at its head only, which may
 * lie in an earlier block. All candidates for the head are in the same section
 * as @pfn, so their struct pages exist. Read without zone->lock: a stale answer
 * costs one block, now skipped or now searched in vain.
 */
static bool in_free_block(unsigned long pfn)
{
	unsigned int order;

	for (order = pageblock_order; order < MAX_ORDER; order++) {
		struct page *head = pfn_to_page(round_down(pfn, 1UL << order));

		if (PageBuddy(head) && buddy_order_unsafe(head) >= order)
			return true;
	}
	return false;
}

/* Is the page part of a huge page that fills whole pageblocks? */
static bool in_huge_page(struct page *page)
{
	struct page *head = compound_head(page);

	return PageHead(head) && compound_order(head) >= pageblock_order;
}

/*
 * Blocks under isolation belong to memory offlining or to alloc_contig_range(),
 * which empty them themselves. Nothing but movable pages may have one of CMA.
 *
 * A run that waits for nobody keeps to blocks of the type that is wanted: that
 * is where a page may end up on the right list, and a movable page has little
 * hope in blocks that other types have spoiled.
 */
static bool source_type_suitable(struct compact_control *cc, int migratetype)
{
	if (is_migrate_isolate(migratetype))
		return false;
	if (cc->order >= 0 && cc->migratetype != MIGRATE_MOVABLE &&
	    is_migrate_cma(migratetype))
		return false;
	if (cc->order < 0 || cc->mode != MIGRATE_ASYNC)
		return true;

	if (cc->migratetype == MIGRATE_MOVABLE)
		return is_migrate_movable(migratetype);
	return migratetype == cc->migratetype;
}

/*
 * Only blocks for movable pages and for CMA will do. Movable pages in a block
 * of another type would force the next unmovable allocation to spoil a movable
 * block, and the reserve for atomic allocations is not ours to use up. The last
 * resort before the OOM killer may do the former.
 */
static bool target_type_suitable(struct compact_control *cc, int migratetype)
{
	if (cc->any_target && migratetype < MIGRATE_PCPTYPES)
		return true;

	return is_migrate_movable(migratetype);
}

/*
 * The type comes first. As long as a block is not isolated its struct pages stay,
 * see offline.c; so before the type is known they are not looked at.
 */
static bool block_suitable(struct compact_control *cc,
			   const struct compact_block *block,
			   bool (*type_suitable)(struct compact_control *cc,
						 int migratetype))
{
	int idx = compact_scan_begin();
	struct page *page = pfn_to_online_page(block->start_pfn);
	bool suitable = page &&
		type_suitable(cc, get_pageblock_migratetype(page)) &&
		pageblock_pfn_to_page(block->start_pfn, block->end_pfn,
				      cc->zone) &&
		!in_free_block(block->start_pfn) && !in_huge_page(page);

	compact_scan_end(idx);
	return suitable;
}

/**
 * compact_source_suitable - is it worth while to look for pages in a block?
 * @cc: the run
 * @block: part of one pageblock; both ends must be in the zone and online,
 *	otherwise the block is a hole and is not suitable
 *
 * Context: any; no lock is needed, and the answer is a hint. Asked again before
 * each batch, since a block can be isolated or go offline while it is worked on.
 * Return: true if movable pages may be found there.
 */
bool compact_source_suitable(struct compact_control *cc,
			     const struct compact_block *block)
{
	return block_suitable(cc, block, source_type_suitable);
}

/**
 * compact_target_suitable - may pages be moved to the free pages of a block?
 * @cc: the run
 * @block: as for compact_source_suitable()
 *
 * Context: any; no lock is needed, and the answer is a hint. Asked again before
 * each batch.
 * Return: true if free pages may be taken there.
 */
bool compact_target_suitable(struct compact_control *cc,
			     const struct compact_block *block)
{
	return block_suitable(cc, block, target_type_suitable);
}

/* Where runs of this kind go on emptying. */
static unsigned long *source_place(struct compact_control *cc)
{
	return &cc->zone->compaction.source_pfn[cc->mode != MIGRATE_ASYNC];
}

/* No run goes on from where an earlier one stopped. */
static void begin_anew(struct zone_compaction *zc)
{
	WRITE_ONCE(zc->source_pfn[0], 0);
	WRITE_ONCE(zc->source_pfn[1], 0);
	WRITE_ONCE(zc->target_pfn, 0);
}

static void linear_begin(struct compact_control *cc)
{
	struct zone_compaction *zc = &cc->zone->compaction;
	unsigned long start = cc->zone->zone_start_pfn;
	unsigned long end = zone_end_pfn(cc->zone);
	unsigned long source, target;

	cc->linear.source_end = start;
	cc->linear.target_start = end;
	cc->linear.resumed = false;
	cc->linear.alone = cc->from_the_ends;
	cc->linear.furthest = 0;
	if (cc->linear.alone)
		return;

	/* the zone may have grown or shrunk since they were noted */
	source = READ_ONCE(*source_place(cc));
	target = READ_ONCE(zc->target_pfn);
	if (source < start || target > end || source >= target) {
		begin_anew(zc);
		return;
	}

	cc->linear.furthest = source;
	cc->linear.source_end = source;
	cc->linear.target_start = target;
	cc->linear.resumed = source > start || target < end;
	cc->migrate_pfn = source;
	cc->target.start_pfn = target;
	cc->target.end_pfn = target;
}

/* Nobody has gone on behind a block that this run leaves unfinished. */
static bool left_half_empty(struct compact_control *cc)
{
	return cc->migrate_pfn > cc->source.start_pfn &&
	       cc->migrate_pfn < cc->source.end_pfn &&
	       READ_ONCE(*source_place(cc)) == cc->source.end_pfn;
}

/*
 * A source that is not finished and a target that still has something free come
 * first next time. Once the two have met, runs begin anew from the ends.
 */
static bool linear_end(struct compact_control *cc)
{
	struct zone_compaction *zc = &cc->zone->compaction;

	if (cc->linear.source_end >= cc->linear.target_start) {
		if (!cc->linear.alone || cc->from_the_ends)
			begin_anew(zc);
		return !cc->linear.resumed;
	}
	if (cc->linear.alone)
		return false;

	if (left_half_empty(cc))
		WRITE_ONCE(*source_place(cc), cc->migrate_pfn);
	WRITE_ONCE(zc->target_pfn, cc->target.start_pfn < cc->target.end_pfn ?
		   cc->target.end_pfn : cc->linear.target_start);
	return false;
}

/*
 * Several tasks compact a zone at once when each wants a page of it. What one has
 * begun to empty the others leave to it: they go on behind the furthest. If that is
 * less far than it was, by more than a block that was left in the middle, the zone
 * is gone over anew, and this run ends alone.
 */
static void skip_what_others_empty(struct compact_control *cc)
{
	unsigned long furthest = READ_ONCE(*source_place(cc));

	if (furthest + pageblock_nr_pages < cc->linear.furthest)
		cc->linear.alone = true;
	if (cc->linear.alone || furthest <= cc->linear.source_end ||
	    furthest > cc->linear.target_start)
		return;

	cc->linear.source_end = furthest;
	cc->linear.resumed = true;
}

/* Tell the others what they need not empty. */
static void publish_source(struct compact_control *cc)
{
	if (cc->linear.alone)
		return;
	cc->linear.furthest = cc->linear.source_end;
	WRITE_ONCE(*source_place(cc), cc->linear.source_end);
}

static bool linear_next_source(struct compact_control *cc)
{
	skip_what_others_empty(cc);

	while (cc->linear.source_end < cc->linear.target_start) {
		struct compact_block block = {
			.start_pfn = cc->linear.source_end,
			.end_pfn = min(pageblock_end_pfn(cc->linear.source_end),
				       cc->linear.target_start),
		};

		cc->linear.source_end = block.end_pfn;
		if (compact_source_suitable(cc, &block)) {
			cc->source = block;
			publish_source(cc);
			return true;
		}
		if (compact_should_stop(cc))
			break;
	}
	return false;
}

static bool linear_next_target(struct compact_control *cc)
{
	while (cc->linear.target_start > cc->linear.source_end) {
		unsigned long last_pfn = cc->linear.target_start - 1;
		struct compact_block block = {
			.start_pfn = max(pageblock_start_pfn(last_pfn),
					 cc->linear.source_end),
			.end_pfn = cc->linear.target_start,
		};

		cc->linear.target_start = block.start_pfn;
		if (compact_target_suitable(cc, &block)) {
			cc->target = block;
			return true;
		}
		if (compact_should_stop(cc))
			break;
	}
	return false;
}

const struct compact_policy compact_linear = {
	.begin		= linear_begin,
	.next_source	= linear_next_source,
	.next_target	= linear_next_target,
	.end		= linear_end,
};
