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
 * work on different blocks. A block that was worked on and could not be emptied is
 * parked in the index: whatever keeps it will be met by the next run as well.
 *
 * The order is that of the index, see index.c.
 */
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include "internal.h"

/*
 * The free lists are gone through for targets while that takes at most so many looks
 * for each page; to scan a block that is a quarter free takes four.
 */
#define LISTED_LOOKS	8
/* What so many looks have shown is half forgotten after as many again. */
#define LISTED_MEMORY	512

/* Targets in a row that have given nothing, after which there are none. */
#define MAX_BARREN	16

/*
 * What is in the way for good, or for long. Other pages may only be busy, or not be for
 * this caller to move.
 */
#define SPOILS	(BIT(COMPACT_FAIL_UNMOVABLE) | BIT(COMPACT_FAIL_HUGE) | \
		 BIT(COMPACT_FAIL_PINNED) | BIT(COMPACT_FAIL_MLOCKED))

static void cheapest_begin(struct compact_control *cc)
{
	cc->cheapest.run = compact_index_run();
	cc->cheapest.began = (u32)jiffies;
	cc->cheapest.barren = 0;
	cc->cheapest.source = false;
	cc->cheapest.target = false;
}

/* Near the watermark a block can have free pages all of which are refused. */
static void release_target(struct compact_control *cc)
{
	if (!cc->cheapest.target)
		return;
	cc->cheapest.target = false;
	cc->cheapest.barren = cc->target_taken ? 0 : cc->cheapest.barren + 1;
	compact_index_release(cc->zone, cc->target.end_pfn - 1,
			      COMPACT_BLOCK_AS_IT_IS, cc->cheapest.run);
	cc->target.start_pfn = cc->target.end_pfn;
}

static void release_source(struct compact_control *cc)
{
	enum compact_block_end how = COMPACT_BLOCK_AS_IT_IS;

	if (!cc->cheapest.source)
		return;
	cc->cheapest.source = false;
	if (cc->migrate_pfn >= cc->source.end_pfn)
		how = cc->failed_last & SPOILS ? COMPACT_BLOCK_SPOILED :
						 COMPACT_BLOCK_TRIED;
	compact_index_release(cc->zone, cc->source.start_pfn, how,
			      cc->cheapest.run);
}

static bool cheapest_end(struct compact_control *cc)
{
	release_source(cc);
	release_target(cc);
	return true;
}

/*
 * A page for movable use comes from a block of that type, and a page that nobody may
 * move better from one that is spoiled already. Who can wait takes what is cheapest:
 * blocks of other types hold movable pages too. A block that is parked can hold
 * enough in a row for an order that is smaller; and it is to be tried by those who
 * have been told to leave nothing out.
 */
static int claim_source(struct compact_control *cc, struct compact_block *block)
{
	bool movable = cc->order < 0 || cc->migratetype == MIGRATE_MOVABLE;
	bool small = cc->order >= 0 && cc->order < pageblock_order;
	const struct compact_wish wish = {
		.run = cc->cheapest.run,
		.began = cc->cheapest.began,
		.ring = movable ? COMPACT_RING_MOVABLE : COMPACT_RING_OTHER,
		.both = cc->mode != MIGRATE_ASYNC,
		.parked = small || cc->from_the_ends,
	};

	return compact_index_claim_source(cc->zone, &wish, block);
}

static bool cheapest_next_source(struct compact_control *cc)
{
	int ret;

	release_source(cc);
	do {
		ret = claim_source(cc, &cc->source);
		if (ret > 0) {
			cc->cheapest.source = true;
			cc->cheapest.source_free = ret;
			if (compact_source_suitable(cc, &cc->source))
				return true;
			cc->cheapest.source = false;
			compact_index_release(cc->zone, cc->source.start_pfn,
					      COMPACT_BLOCK_TRIED,
					      cc->cheapest.run);
		}
	} while (ret != -ENOENT && !compact_should_stop(cc));
	return false;
}

/* The lists get another chance after some blocks. */
static void forget_looks(struct compact_index *index)
{
	unsigned int looks = READ_ONCE(index->listed_looks);

	WRITE_ONCE(index->listed_looks, looks - (looks + 7) / 8);
}

static bool cheapest_next_target(struct compact_control *cc)
{
	struct compact_index *index = &cc->zone->compaction.index;
	struct compact_block block;
	int ret;

	release_target(cc);
	if (cc->cheapest.barren == MAX_BARREN)
		return false;
	forget_looks(index);
	do {
		ret = compact_index_claim_target(cc->zone,
						 cc->cheapest.source_free,
						 &block);
		if (ret > 0) {
			if (compact_target_suitable(cc, &block)) {
				cc->target = block;
				cc->target_taken = 0;
				cc->cheapest.target = true;
				return true;
			}
			compact_index_release(cc->zone, block.start_pfn,
					      COMPACT_BLOCK_SPOILED,
					      cc->cheapest.run);
		}
	} while (ret != -ENOENT && !compact_should_stop(cc));
	return false;
}

/*
 * To look for the few free pages of a nearly full block is to look at all the others,
 * where on the free lists there is nothing else. But there they are among the pages
 * of all other blocks, so it depends on what has been found there of late.
 */
static unsigned int cheapest_listed_limit(struct compact_control *cc)
{
	struct compact_index *index = &cc->zone->compaction.index;

	if (READ_ONCE(index->listed_looks) >
	    (READ_ONCE(index->listed_pages) + 1) * LISTED_LOOKS &&
	    compact_index_worth_scanning(cc->zone, cc->cheapest.source_free))
		return 0;
	return min_t(unsigned int, cc->cheapest.source_free,
		     COMPACT_SCAN_WORTH - 1);
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
	.listed_limit	= cheapest_listed_limit,
	.listed		= cheapest_listed,
	.end		= cheapest_end,
};
