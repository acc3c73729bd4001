// SPDX-License-Identifier: GPL-2.0
/*
 * Does the index of pageblocks say what is on the free lists? For tests and for
 * debugging: it looks at every page of a block.
 */
#include <linux/mm.h>
#include <linux/memory_hotplug.h>
#include "internal.h"

/* Pages of a free page that covers whole blocks are all free. */
static bool in_large_free_page(struct zone *zone, unsigned long pfn)
{
	unsigned int order;

	for (order = pageblock_order; order < MAX_ORDER; order++) {
		unsigned long head = round_down(pfn, 1UL << order);

		if (head >= zone->zone_start_pfn &&
		    PageBuddy(pfn_to_page(head)) &&
		    buddy_order(pfn_to_page(head)) >= order)
			return true;
	}
	return false;
}

static unsigned int count_free(struct zone *zone, unsigned long pfn)
{
	unsigned long end = min(pageblock_end_pfn(pfn), zone_end_pfn(zone));
	unsigned int nr = 0;

	if (in_large_free_page(zone, pageblock_start_pfn(pfn)))
		return pageblock_nr_pages;
	while (pfn < end) {
		struct page *page = pfn_to_page(pfn);
		unsigned int order = PageBuddy(page) ? buddy_order(page) : 0;

		if (PageBuddy(page))
			nr += 1U << order;
		pfn += 1UL << order;
	}
	return nr;
}

/**
 * compact_index_check_block - compare one block's count with its free pages
 * @zone: its zone
 * @pfn: its first page in the zone
 *
 * Context: zone->lock is held.
 * Return: true if they agree; otherwise there has been a warning.
 */
bool compact_index_check_block(struct zone *zone, unsigned long pfn)
{
	unsigned int noted = compact_entry(zone, pfn)->free;
	unsigned int free = (u16)count_free(zone, pfn);
	static bool warned;

	lockdep_assert_held(&zone->lock);
	if (noted == free)
		return true;
	/* later, as a console may want zone->lock */
	if (!warned)
		printk_deferred("WARNING: compaction: block at pfn %#lx has %u free pages, not %u\n",
				pfn, free, noted);
	warned = true;
	return false;
}

static bool in_ring(struct zone *zone, struct compact_entry *entry, u32 block)
{
	struct compact_index *index = &zone->compaction.index;
	u32 at = index->first[entry->ring][entry->bucket], first = at;

	if (!test_bit(entry->bucket, index->used[entry->ring]))
		return false;
	do {
		struct compact_entry *other = compact_index_entry(zone, at);

		if (at == block)
			return true;
		if (other->ring != entry->ring || other->bucket != entry->bucket)
			return false;
		at = other->next;
	} while (at != first);
	return false;
}

/* One that has never had a free page need not be filed. */
static bool is_missing(struct zone *zone, struct compact_entry *entry, u32 block)
{
	return entry->ring == COMPACT_RING_NONE && entry->free &&
	       compact_index_ring(zone, entry, block) != COMPACT_RING_NONE;
}

/* Zones can lie in each other, after memory has been offline. */
static bool is_of_zone(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	return page && page_zone(page) == zone;
}

static bool is_right(struct zone *zone, unsigned long pfn)
{
	struct compact_entry *entry = compact_entry(zone, pfn);
	u32 block = pfn >> pageblock_order;

	if (!compact_index_check_block(zone, pfn))
		return false;
	if (compact_index_filed(entry))
		return in_ring(zone, entry, block);
	return !is_missing(zone, entry, block);
}

/**
 * compact_index_check - compare a zone's index with its blocks
 * @zone: the zone
 *
 * Context: process context. Takes zone->lock, for as long as it takes to look at
 * each page of the zone.
 * Return: how many blocks are counted wrong, are not where their entry says, or are
 * filed nowhere although they have free pages.
 */
unsigned long compact_index_check(struct zone *zone)
{
	unsigned long pfn, flags, wrong = 0;

	spin_lock_irqsave(&zone->lock, flags);
	for (pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone);
	     pfn = pageblock_end_pfn(pfn)) {
		if (is_of_zone(zone, pfn) && !is_right(zone, pfn))
			wrong++;
	}
	spin_unlock_irqrestore(&zone->lock, flags);
	return wrong;
}
