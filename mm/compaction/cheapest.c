// SPDX-License-Identifier: GPL-2.0
/*
 * Which block next? The cheapest.
 *
 * What it costs to empty a block is the number of its pages in use. So the emptiest
 * block is emptied first, and the pages go to the fullest that have room, which are
 * the last that would be emptied. The two come nearer to each other with each block,
 * and once the fullest block with room is no fuller than the emptiest, to go on would
 * be to carry pages back again.
 *
 * Both are claimed while they are worked on, so tasks that compact at the same time
 * work on different blocks. A block that holds what cannot be moved is parked in the
 * index, to be filled and not to be emptied: the next run would meet the same page.
 *
 * The order is that of the index, see index.c and claim.c.
 */
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include "internal.h"

/*
 * The free lists are gone through for targets while that takes at most so many looks
 * for each page, as many as it takes to scan a block that is a quarter free.
 */
#define LISTED_LOOKS	4
/* What so many looks have shown is half forgotten after as many again. */
#define LISTED_MEMORY	512

/* Targets in a row that have given nothing, after which there are none. */
#define MAX_BARREN	16

/* Full sources in a row that are not worth it, after which no others are tried. */
#define MAX_FULL_LEFT	64

/* Ranges that have been completed in vain, after which whole blocks are emptied. */
#define MAX_RANGES	16

/*
 * What is in the way for good, or for long. Other pages may only be busy, or not be for
 * this caller to move.
 */
#define SPOILS	(BIT(COMPACT_FAIL_UNMOVABLE) | BIT(COMPACT_FAIL_HUGE) | \
		 BIT(COMPACT_FAIL_PINNED) | BIT(COMPACT_FAIL_MLOCKED))

static void cheapest_begin(struct compact_control *cc)
{
	memset(&cc->cheapest, 0, sizeof(cc->cheapest));
	cc->cheapest.began = compact_index_begin(cc->zone);
}

/*
 * Near the watermark a block can have free pages all of which are refused. A run that
 * ends before its target is full leaves it to the next one, which need not look at
 * what has been filled already.
 */
static void release_target(struct compact_control *cc)
{
	struct compact_block *target = &cc->target;

	if (!cc->cheapest.target)
		return;
	if (target->start_pfn < target->end_pfn)
		WRITE_ONCE(cc->zone->compaction.index.fill_pfn,
			   target->start_pfn);
	cc->cheapest.target = false;
	if (cc->target_taken)
		cc->cheapest.barren = 0;
	else
		cc->cheapest.barren++;
	compact_index_release(cc->zone, pageblock_start_pfn(target->end_pfn - 1),
			      COMPACT_BLOCK_AS_IT_IS);
	target->start_pfn = target->end_pfn;
}

/* Is it a page of less than a block that is wanted? */
static bool is_small(struct compact_control *cc)
{
	return cc->order >= 0 && cc->order < pageblock_order;
}

/* It has to leave some pages alone that others could move. */
static bool is_weak(struct compact_control *cc)
{
	return cc->mode == MIGRATE_ASYNC || !(cc->gfp_mask & __GFP_FS);
}

/* Was it only a range of the block, and did all of it move? Then others may do as well. */
static bool range_is_done(struct compact_control *cc)
{
	return cc->cheapest.range && !cc->failed_last;
}

static void release_source(struct compact_control *cc)
{
	enum compact_block_end how = COMPACT_BLOCK_FAILED;

	if (!cc->cheapest.source)
		return;
	cc->cheapest.source = false;
	if (cc->migrate_pfn < cc->source.end_pfn || range_is_done(cc))
		how = COMPACT_BLOCK_AS_IT_IS;
	else if (cc->failed_last & SPOILS)
		how = COMPACT_BLOCK_SPOILED;
	else if (is_weak(cc))
		how = COMPACT_BLOCK_PASSED;
	else if (cc->cheapest.range)
		how = COMPACT_BLOCK_RANGE_FAILED;
	compact_index_release(cc->zone, cc->source.start_pfn, how);
}

static bool cheapest_end(struct compact_control *cc)
{
	release_source(cc);
	release_target(cc);
	return !cc->cheapest.missed;
}

/*
 * A page for movable use comes from a block of that type, and a page that nobody may
 * move better from one that is spoiled already. Who can wait takes what is cheapest:
 * blocks of other types hold movable pages too, and one that is parked can hold enough
 * in a row for an order that is smaller. Parked blocks are also to be tried by those
 * who have been told to leave nothing out. Full ones cost the most and come last, and
 * where they are in use as huge pages it is no use to go through them all.
 */
static struct compact_wish make_wish(struct compact_control *cc)
{
	bool movable = cc->order < 0 || cc->migratetype == MIGRATE_MOVABLE;
	bool may_wait = cc->mode != MIGRATE_ASYNC;

	return (struct compact_wish) {
		.began = cc->cheapest.began,
		.weak = is_weak(cc),
		.from = cc->cheapest.from,
		.ring = movable ? COMPACT_RING_MOVABLE : COMPACT_RING_OTHER,
		.both = may_wait,
		.parked = (is_small(cc) && may_wait) || cc->from_the_ends,
		.full = may_wait && cc->cheapest.full_left < MAX_FULL_LEFT,
	};
}

/* Nobody need try more than there are, however fast others fill what has been emptied. */
static bool claim_source(struct compact_control *cc, struct compact_claim *claim)
{
	unsigned long blocks = cc->zone->spanned_pages >> pageblock_order;
	const struct compact_wish wish = make_wish(cc);

	return cc->cheapest.tries++ <= blocks &&
	       compact_index_claim_source(cc->zone, &wish, claim);
}

/*
 * Of blocks that are of the right type; and if it is for what cannot move, of those for
 * movable pages that are spoiled already, if the run may empty these: there, it may have
 * what is freed.
 */
static bool claim_range(struct compact_control *cc, struct compact_claim *claim)
{
	struct compact_wish wish = make_wish(cc);

	if (cc->cheapest.ranges++ == MAX_RANGES)
		return false;
	if (compact_claim_range(cc, cc->migratetype, &wish, claim))
		return true;
	wish.ring = COMPACT_RING_PARKED;
	return cc->migratetype != MIGRATE_MOVABLE && cc->mode != MIGRATE_ASYNC &&
	       compact_claim_range(cc, MIGRATE_MOVABLE, &wish, claim);
}

/*
 * An allocation that waits for one small page has enough with one range of a block. It
 * may be moved out of a block that is fuller than most, so into any other.
 */
static bool next_range(struct compact_control *cc)
{
	struct compact_claim claim;

	if (!cc->capture || !is_small(cc) || !cc->order ||
	    cc->cheapest.ranges > MAX_RANGES)
		return false;
	while (claim_range(cc, &claim)) {
		if (compact_source_suitable(cc, &claim.block)) {
			cc->source = claim.block;
			cc->cheapest.source = true;
			cc->cheapest.range = true;
			cc->cheapest.free_limit = pageblock_nr_pages;
			cc->cheapest.parked_limit = pageblock_nr_pages;
			return true;
		}
		compact_index_release(cc->zone, claim.block.start_pfn,
				      COMPACT_BLOCK_PASSED);
	}
	if (cc->cheapest.range)
		release_target(cc);
	cc->cheapest.range = false;
	return false;
}

/*
 * What is moved out of a block goes to fuller ones; if it is not parked itself, to
 * those that are parked as well, as they will not be emptied soon. For a full block
 * there are only these.
 */
static void set_source(struct compact_control *cc, const struct compact_claim *claim)
{
	if (!claim->free ||
	    (claim->parked && cc->cheapest.parked_limit > claim->free))
		release_target(cc);
	cc->source = claim->block;
	cc->cheapest.source = true;
	cc->cheapest.from = compact_bucket(claim->free);
	cc->cheapest.free_limit = claim->free;
	cc->cheapest.parked_limit = claim->parked ? claim->free :
						    pageblock_nr_pages;
}

/*
 * To find out by emptying it that a block holds a page which cannot be moved takes up to
 * a block's pages each time. So one that was parked once is looked over before, and one
 * that is full, for which others have to be filled. A smaller page can come of it all
 * the same, and who wants no page in particular takes what comes of it, as a rule.
 */
static bool leave_spoiled(struct compact_control *cc, const struct compact_claim *claim)
{
	bool whole = cc->order >= 0 || cc->whole_blocks, spoiled;
	int idx;

	if (is_small(cc) || (claim->free && (!claim->suspect || !whole)))
		return false;
	idx = compact_scan_begin();
	spoiled = compact_source_suitable(cc, &cc->source) &&
		  source_obstacle(cc, &cc->source);
	compact_scan_end(idx);
	if (!spoiled)
		return false;
	cc->migrate_pfn = cc->source.end_pfn;
	compact_block_done(cc);
	release_source(cc);
	return true;
}

static bool cheapest_next_source(struct compact_control *cc)
{
	struct compact_index *index = &cc->zone->compaction.index;
	struct compact_claim claim;

	release_source(cc);
	if (next_range(cc))
		return true;
	while (claim_source(cc, &claim)) {
		if (compact_source_suitable(cc, &claim.block)) {
			set_source(cc, &claim);
			if (!leave_spoiled(cc, &claim)) {
				cc->cheapest.full_left = 0;
				return true;
			}
		} else {
			/* in use as a whole, as huge pages are, if it is full */
			compact_index_release(cc->zone, claim.block.start_pfn,
					      claim.free ? COMPACT_BLOCK_PASSED :
							   COMPACT_BLOCK_SPOILED);
		}
		cc->cheapest.full_left += !claim.free;
		if (compact_should_stop(cc))
			return false;
		cc->verdict = cc->goal(cc);
		if (cc->verdict != COMPACT_CONTINUE)
			return false;
	}
	cc->cheapest.missed = READ_ONCE(index->claimed) > cc->cheapest.target;
	return false;
}

/* The lists get another chance after some blocks. */
static void forget_looks(struct compact_index *index)
{
	unsigned int looks = READ_ONCE(index->listed_looks);

	WRITE_ONCE(index->listed_looks, looks - (looks + 31) / 32);
}

static struct compact_limit target_limit(struct compact_control *cc)
{
	return (struct compact_limit) {
		.free = cc->cheapest.free_limit,
		.parked = cc->cheapest.parked_limit,
	};
}

static bool claim_target(struct compact_control *cc, struct compact_claim *claim)
{
	struct compact_index *index = &cc->zone->compaction.index;
	unsigned long pfn = READ_ONCE(index->fill_pfn);
	const struct compact_limit limit = target_limit(cc);

	if (pfn) {
		WRITE_ONCE(index->fill_pfn, 0);
		if (compact_index_claim_target_at(cc->zone, pfn, &limit, claim)) {
			claim->block.start_pfn = pfn;
			return true;
		}
	}
	return compact_index_claim_target(cc->zone, &limit, claim);
}

static bool cheapest_next_target(struct compact_control *cc)
{
	struct compact_claim claim;

	release_target(cc);
	forget_looks(&cc->zone->compaction.index);
	while (cc->cheapest.barren < MAX_BARREN && claim_target(cc, &claim)) {
		if (compact_target_suitable(cc, &claim.block)) {
			cc->target = claim.block;
			cc->target_taken = 0;
			cc->cheapest.target = true;
			return true;
		}
		compact_index_release(cc->zone, claim.block.start_pfn,
				      COMPACT_BLOCK_AS_IT_IS);
		cc->cheapest.barren++;
	}
	return false;
}

/*
 * To look for the few free pages of a nearly full block is to look at all the others,
 * where on the free lists there is nothing else. But there they are among the pages
 * of all other blocks, so it depends on what has been found there of late.
 */
static bool cheapest_use_lists(struct compact_control *cc)
{
	struct compact_index *index = &cc->zone->compaction.index;
	const struct compact_limit limit = target_limit(cc);

	return READ_ONCE(index->listed_looks) <=
	       (READ_ONCE(index->listed_pages) + 1) * LISTED_LOOKS ||
	       !compact_index_worth_scanning(cc->zone, &limit);
}

/* Not if somebody works on its block, or it is so empty that it may be emptied itself. */
static bool cheapest_may_fill(struct compact_control *cc,
			      const struct compact_entry *entry)
{
	if (entry->ring == COMPACT_RING_CLAIMED)
		return false;
	if (entry->parked)
		return entry->free <= cc->cheapest.parked_limit;
	return entry->free <= cc->cheapest.free_limit &&
	       entry->free < COMPACT_SCAN_WORTH;
}

static void cheapest_listed(struct compact_control *cc, unsigned int looks,
			    unsigned int pages)
{
	struct compact_index *index = &cc->zone->compaction.index;

	looks += READ_ONCE(index->listed_looks);
	pages += READ_ONCE(index->listed_pages);
	if (looks > LISTED_MEMORY) {
		looks /= 2;
		pages /= 2;
	}
	WRITE_ONCE(index->listed_looks, looks);
	WRITE_ONCE(index->listed_pages, pages);
}

const struct compact_policy compact_cheapest = {
	.begin		= cheapest_begin,
	.next_source	= cheapest_next_source,
	.next_target	= cheapest_next_target,
	.use_lists	= cheapest_use_lists,
	.may_fill	= cheapest_may_fill,
	.listed		= cheapest_listed,
	.end		= cheapest_end,
};
