/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The upkeep of the index of pageblocks, for the buddy allocator: pages enter its
 * lists and leave them. Included by mm/internal.h.
 */
#ifndef _MM_COMPACTION_INDEX_H
#define _MM_COMPACTION_INDEX_H

#include <linux/compaction_zone.h>
#include <linux/jiffies.h>
#include <linux/mmzone.h>

#ifdef CONFIG_COMPACTION

/*
 * A block is looked at again when its count of free pages leaves such a range, and when
 * it is full or was.
 */
#define COMPACT_INDEX_GRAIN	4U
/* How long after a run allocations leave pages of emptier blocks alone. */
#define COMPACT_SPARE_JIFFIES	(60U * HZ)
/* The orders of free pages that are filled just as they come on the free lists. */
#define COMPACT_LISTED_ORDERS	3

#ifdef CONFIG_SPARSEMEM
static inline struct compact_entry *compact_entry(struct zone *zone,
						  unsigned long pfn)
{
	struct mem_section *section = __pfn_to_section(pfn);
	struct compact_entry *entries = (struct compact_entry *)
		(section_to_usemap(section) +
		 BITS_TO_LONGS(SECTION_BLOCKFLAGS_BITS));

	return entries +
	       ((pfn & ~PAGE_SECTION_MASK) >> pageblock_order);
}
#else
static inline struct compact_entry *compact_entry(struct zone *zone,
						  unsigned long pfn)
{
	return &zone->compaction.index.entries[(pfn >> pageblock_order) -
			(zone->zone_start_pfn >> pageblock_order)];
}
#endif

void compact_index_init(struct zone *zone);
void __compact_index_refile(struct zone *zone, struct compact_entry *entry,
			    unsigned long pfn);
void __compact_index_whole(struct zone *zone, unsigned long pfn,
			   unsigned int order, bool freed);
void compact_index_forget(struct zone *zone, unsigned long start_pfn,
			  unsigned long end_pfn);
void compact_index_retype(struct zone *zone, unsigned long pfn);

/**
 * compact_index_change - a page enters the buddy lists, or leaves them
 * @zone: its zone
 * @pfn: where it begins
 * @order: how large it is
 * @freed: it enters
 *
 * Only what enters or leaves as a whole: to split a free page or to merge two
 * changes nothing.
 *
 * Context: zone->lock is held.
 */
static inline void compact_index_change(struct zone *zone, unsigned long pfn,
					unsigned int order, bool freed)
{
	struct compact_entry *entry;
	unsigned int before;

	if (unlikely(order >= pageblock_order)) {
		__compact_index_whole(zone, pfn, order, freed);
		return;
	}

	entry = compact_entry(zone, pfn);
	before = entry->free;
	entry->free = freed ? before + (1U << order) : before - (1U << order);
	if (((before ^ entry->free) & ~(COMPACT_INDEX_GRAIN - 1)) || !before ||
	    !entry->free)
		__compact_index_refile(zone, entry, pfn);
}

/**
 * compact_index_spares - had allocations better leave a free page alone?
 * @zone: its zone
 * @pfn: where it begins
 * @order: how large it is
 * @migratetype: of the list that it is put on
 *
 * For a while after the zone was compacted, small pages of blocks that are not nearly
 * full go to the end of the free lists, so that those of blocks that are full anyway
 * are taken first.
 *
 * Context: zone->lock is held.
 * Return: true if the page is to go to the end of its list.
 */
static inline bool compact_index_spares(struct zone *zone, unsigned long pfn,
					unsigned int order, int migratetype)
{
	u32 left = READ_ONCE(zone->compaction.index.spare_until) - (u32)jiffies;

	return order < COMPACT_LISTED_ORDERS && is_migrate_movable(migratetype) &&
	       left <= COMPACT_SPARE_JIFFIES &&
	       compact_entry(zone, pfn)->free > pageblock_nr_pages / 4;
}

#else /* CONFIG_COMPACTION */

static inline bool compact_index_spares(struct zone *zone, unsigned long pfn,
					unsigned int order, int migratetype)
{
	return false;
}

static inline void compact_index_init(struct zone *zone)
{
}

static inline void compact_index_change(struct zone *zone, unsigned long pfn,
					unsigned int order, bool freed)
{
}

static inline void compact_index_forget(struct zone *zone,
					unsigned long start_pfn,
					unsigned long end_pfn)
{
}

static inline void compact_index_retype(struct zone *zone, unsigned long pfn)
{
}

#endif /* CONFIG_COMPACTION */
#endif /* _MM_COMPACTION_INDEX_H */
