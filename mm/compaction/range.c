// SPDX-License-Identifier: GPL-2.0
/*
 * Half of it is free: the cheapest range for a page that is smaller than a block.
 *
 * Such a page is an aligned range of a block, and of ranges the index knows nothing.
 * But the free lists do. A free page of the next smaller order is one half of a range,
 * and to have the other half costs as many moves as that has pages in use. So of the
 * first few on the list, the one whose other half is in use the least is completed.
 *
 * If there is none, or if that comes to nothing a few times, blocks are emptied.
 */
#include <linux/mm.h>
#include "internal.h"

/* How many halves are compared, of how many that are asked for their block. */
#define MAX_HALVES	8
#define MAX_ASKED	64
/* After so many looks at the pages of their other halves no more are. */
#define MAX_LOOKS	256

/* A candidate: the other half of a free page. */
struct half {
	unsigned long pfn;
	unsigned int used;
};

/* How many of its pages have to move? More than @most if there are, or if one cannot. */
static unsigned int cost(struct compact_control *cc, unsigned long pfn,
			 unsigned long end_pfn, unsigned int most,
			 unsigned int *looks)
{
	unsigned int used = 0;
	unsigned long nr;

	while (pfn < end_pfn && used <= most) {
		enum page_verdict verdict;

		++*looks;
		verdict = page_verdict(cc, pfn_to_page(pfn), &nr);
		if (verdict == PAGE_TAKEN)
			used++;
		else if (verdict != PAGE_FREE)
			return most + 1;
		pfn += nr;
	}
	return used;
}

/* Of the blocks that the run wishes for, and that it has not tried in vain. */
static bool may_be_emptied(struct compact_control *cc, unsigned long pfn,
			   const struct compact_wish *wish)
{
	const struct compact_entry *entry = compact_entry(cc->zone, pfn);

	return entry->ring == wish->ring &&
	       !compact_index_tried(cc->zone, entry, wish);
}

static void find_half(struct compact_control *cc, int migratetype,
		      const struct compact_wish *wish, struct half *best)
{
	unsigned int order = cc->order - 1, halves = 0, asked = 0, looks = 0, used;
	struct free_area *area = &cc->zone->free_area[order];
	struct page *page;

	list_for_each_entry(page, &area->free_list[migratetype], buddy_list) {
		unsigned long pfn = page_to_pfn(page) ^ (1UL << order);

		if (best->used <= 1 || halves == MAX_HALVES ||
		    asked++ == MAX_ASKED || looks > MAX_LOOKS)
			break;
		if (!may_be_emptied(cc, pfn, wish))
			continue;
		halves++;
		used = cost(cc, pfn, pfn + (1UL << order), best->used - 1, &looks);
		if (used < best->used)
			*best = (struct half) { .pfn = pfn, .used = used };
	}
	cc->total_migrate_scanned += looks;
}

/**
 * compact_claim_range - the other half of a free page, for a small order
 * @cc: the run, of an order from 1 to below that of a pageblock
 * @migratetype: on whose lists to look for a half that is free
 * @wish: what kind of block it may be in
 * @claim: the half; it is its block that is claimed
 *
 * The caller owes a compact_index_release().
 *
 * Context: process context. Takes zone->lock, for as long as it takes to look at
 * %MAX_LOOKS pages and one half more.
 * Return: false if there is none among the first few.
 */
bool compact_claim_range(struct compact_control *cc, int migratetype,
			 const struct compact_wish *wish, struct compact_claim *claim)
{
	unsigned long half = 1UL << (cc->order - 1), flags;
	struct half best = { .used = half + 1 };
	struct zone *zone = cc->zone;
	bool found = false;

	spin_lock_irqsave(&zone->lock, flags);
	find_half(cc, migratetype, wish, &best);
	if (best.used <= half)
		found = compact_index_take(zone, compact_entry(zone, best.pfn),
					   best.pfn >> pageblock_order, claim);
	spin_unlock_irqrestore(&zone->lock, flags);
	if (found) {
		claim->block.start_pfn = best.pfn;
		claim->block.end_pfn = best.pfn + half;
	}
	return found;
}
