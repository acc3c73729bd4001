// SPDX-License-Identifier: GPL-2.0
/*
 * The index of pageblocks: which is the emptiest, which the fullest?
 *
 * Each block has an entry with its number of free pages, which the buddy allocator
 * keeps up where pages enter its lists and leave them. Blocks that are not wholly free
 * are filed by it:
 *
 *   bucket          0   1  ...  15  16  ...  23  24  ...      48  ...  55        56
 *   pages in use    0   1       15  16,17    30,31  32..35    256..287   480..511  512
 *   (of 512)
 *                   |                                                  |
 *        sources: the emptiest first                targets: the fullest first
 *
 * so that a bucket is at most an eighth wide, of what it costs to empty its blocks.
 * The full ones are no targets, and the very last sources.
 * The blocks of a bucket form a ring, linked by their numbers, and a bitmap says
 * which buckets have any. To find, file and unfile a block takes constant time.
 *
 * The filing is a hint and runs behind the counts: a block is filed anew when it has
 * passed a multiple of COMPACT_INDEX_GRAIN, and when it is looked at and turns out to
 * be somewhere else. That makes up for types, too, which change without a word.
 *
 * Who takes a block out of here, and for what, is in claim.c.
 *
 * A wholly free block of 2^16 pages, the most that an architecture has, is counted as
 * full. There, neither is filed.
 *
 * All of it is protected by zone->lock.
 */
#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include "internal.h"

/* Buckets up to this one are one page wide. */
#define NARROW			16
#define NARROW_SHIFT		4

#ifndef CONFIG_SPARSEMEM
/* With it, the entries of a section are allocated where its pageblocks' flags are. */
void __init compact_index_init(struct zone *zone)
{
	unsigned long first = zone->zone_start_pfn >> pageblock_order;
	unsigned long end = (zone_end_pfn(zone) + pageblock_nr_pages - 1) >>
			    pageblock_order;

	zone->compaction.index.entries =
		memblock_alloc_node((end - first) * sizeof(struct compact_entry),
				    SMP_CACHE_BYTES, zone_to_nid(zone));
	if (end > first && !zone->compaction.index.entries)
		panic("no memory for compaction's index of zone %s\n", zone->name);
}
#endif

/* By the number of the block. A zone may begin inside its first. */
struct compact_entry *compact_index_entry(struct zone *zone, u32 block)
{
	return compact_entry(zone, max(compact_index_pfn(block),
				       zone->zone_start_pfn));
}

/**
 * compact_bucket - the bucket for blocks that are so full
 * @free: how many of the pages are free
 *
 * Return: its number; the fuller, the higher.
 */
unsigned int compact_bucket(unsigned int free)
{
	unsigned int used = (pageblock_nr_pages - free) * 512UL >>
			    pageblock_order;
	unsigned int log;

	if (!free)
		return COMPACT_FULL;
	if (used < NARROW)
		return used;
	log = ilog2(min(used, 511U));
	return NARROW + 8 * (log - NARROW_SHIFT) +
	       ((min(used, 511U) >> (log - 3)) & 7);
}

static void add_to_ring(struct zone *zone, struct compact_entry *entry,
			u32 block, enum compact_ring ring, unsigned int bucket)
{
	struct compact_index *index = &zone->compaction.index;
	u32 *first = &index->first[ring][bucket];
	struct compact_entry *head;

	entry->ring = ring;
	entry->bucket = bucket;
	if (!__test_and_set_bit(bucket, index->used[ring])) {
		*first = block;
		entry->next = block;
		entry->prev = block;
		return;
	}
	/* at the end of the ring */
	head = compact_index_entry(zone, *first);
	entry->next = *first;
	entry->prev = head->prev;
	compact_index_entry(zone, head->prev)->next = block;
	head->prev = block;
}

/* It is in no ring after that. It must be in one before. */
void compact_index_unfile(struct zone *zone, struct compact_entry *entry,
			  u32 block)
{
	struct compact_index *index = &zone->compaction.index;
	u32 *first = &index->first[entry->ring][entry->bucket];

	if (entry->next == block) {
		__clear_bit(entry->bucket, index->used[entry->ring]);
	} else {
		compact_index_entry(zone, entry->next)->prev = entry->prev;
		compact_index_entry(zone, entry->prev)->next = entry->next;
		if (*first == block)
			*first = entry->next;
	}
	entry->ring = COMPACT_RING_NONE;
}

static bool is_parked(enum compact_ring ring)
{
	return ring == COMPACT_RING_PARKED || ring == COMPACT_RING_PARKED_OTHER;
}

#ifdef CONFIG_SPARSEMEM
/* Blocks can be larger than what is added to memory as one. */
static bool has_page(unsigned long pfn)
{
	return pfn_section_valid(__pfn_to_section(pfn), pfn);
}
#else
static bool has_page(unsigned long pfn)
{
	return true;
}
#endif

/*
 * One that lies in two zones has an entry that both write to, and one with a hole at
 * an end is nothing for the scanners. Such blocks are never filed.
 */
static bool is_whole(struct zone *zone, unsigned long pfn)
{
	unsigned long last = pfn + pageblock_nr_pages - 1;

	return pfn >= zone->zone_start_pfn && last < zone_end_pfn(zone) &&
	       has_page(pfn) && page_zone(pfn_to_page(pfn)) == zone &&
	       has_page(last) && page_zone(pfn_to_page(last)) == zone;
}

static enum compact_ring kind_of(struct zone *zone, u32 block)
{
	unsigned long pfn = compact_index_pfn(block);
	int migratetype;

	if (!is_whole(zone, pfn))
		return COMPACT_RING_NONE;

	migratetype = get_pageblock_migratetype(pfn_to_page(pfn));
	if (is_migrate_isolate(migratetype))
		return COMPACT_RING_NONE;
	return is_migrate_movable(migratetype) ? COMPACT_RING_MOVABLE :
						 COMPACT_RING_OTHER;
}

/* Or if it cannot be told from one that is. */
static bool is_wholly_free(const struct compact_entry *entry)
{
	return entry->free >= pageblock_nr_pages ||
	       (pageblock_nr_pages > U16_MAX && !entry->free);
}

/* Where does it belong, unless it is claimed? */
enum compact_ring compact_index_ring(struct zone *zone,
				     const struct compact_entry *entry, u32 block)
{
	enum compact_ring kind;

	if (is_wholly_free(entry))
		return COMPACT_RING_NONE;
	kind = kind_of(zone, block);
	if (!entry->parked || kind == COMPACT_RING_NONE)
		return kind;
	return kind == COMPACT_RING_MOVABLE ? COMPACT_RING_PARKED :
					      COMPACT_RING_PARKED_OTHER;
}

/* Where it belongs, whether it is in a ring or not; it must not be claimed. */
void compact_index_file(struct zone *zone, struct compact_entry *entry,
			u32 block)
{
	enum compact_ring ring = compact_index_ring(zone, entry, block);
	unsigned int bucket = compact_bucket(entry->free);

	if (entry->ring == ring &&
	    (ring == COMPACT_RING_NONE || entry->bucket == bucket))
		return;
	if (compact_index_filed(entry))
		compact_index_unfile(zone, entry, block);
	entry->ring = ring;
	if (ring != COMPACT_RING_NONE)
		add_to_ring(zone, entry, block, ring, bucket);
}

/*
 * It is worth another try once between an eighth and a quarter of it has become free;
 * and once all of it was free, nothing that was known of it holds.
 */
static void let_go(struct compact_entry *entry)
{
	if (entry->free == pageblock_nr_pages) {
		entry->parked = 0;
		entry->failures = 0;
	} else if (entry->parked && entry->free >= (entry->eighths + 2) *
						   (pageblock_nr_pages / 8)) {
		entry->parked = 0;
	}
}

/* The slow part of compact_index_change(). */
void __compact_index_refile(struct zone *zone, struct compact_entry *entry,
			    unsigned long pfn)
{
	lockdep_assert_held(&zone->lock);
	let_go(entry);
	if (entry->ring == COMPACT_RING_CLAIMED)
		return;
	/* the usual case, without a look at the block */
	if (compact_index_filed(entry) && entry->parked == is_parked(entry->ring) &&
	    !is_wholly_free(entry) && entry->bucket == compact_bucket(entry->free))
		return;
	compact_index_file(zone, entry, pfn >> pageblock_order);
}

/**
 * compact_index_retype - a block has become isolated, or is so no longer
 * @zone: its zone
 * @pfn: any page of it
 *
 * Context: zone->lock is held.
 */
void compact_index_retype(struct zone *zone, unsigned long pfn)
{
	struct compact_entry *entry = compact_entry(zone, pfn);

	lockdep_assert_held(&zone->lock);
	if (entry->ring != COMPACT_RING_CLAIMED)
		compact_index_file(zone, entry, pfn >> pageblock_order);
}

/* A page of one or more whole blocks. */
void __compact_index_whole(struct zone *zone, unsigned long pfn,
			   unsigned int order, bool freed)
{
	unsigned long end_pfn = pfn + (1UL << order);

	lockdep_assert_held(&zone->lock);
	for (; pfn < end_pfn; pfn += pageblock_nr_pages) {
		struct compact_entry *entry = compact_entry(zone, pfn);

		entry->free = freed ? pageblock_nr_pages : 0;
		__compact_index_refile(zone, entry, pfn);
	}
}

/**
 * compact_index_forget - blocks go offline
 * @zone: their zone, which they leave
 * @start_pfn: the first page
 * @end_pfn: behind the last
 *
 * Context: zone->lock is held, and none of the pages is free any more.
 */
void compact_index_forget(struct zone *zone, unsigned long start_pfn,
			  unsigned long end_pfn)
{
	unsigned long pfn;

	lockdep_assert_held(&zone->lock);
	for (pfn = start_pfn; pfn < end_pfn; pfn += pageblock_nr_pages) {
		struct compact_entry *entry = compact_entry(zone, pfn);

		if (compact_index_filed(entry))
			compact_index_unfile(zone, entry,
					     pfn >> pageblock_order);
		else if (entry->ring == COMPACT_RING_CLAIMED)
			zone->compaction.index.claimed--;
		memset(entry, 0, sizeof(*entry));
	}
}
