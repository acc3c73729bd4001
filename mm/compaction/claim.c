// SPDX-License-Identifier: GPL-2.0
/*
 * Which block of the index is to be emptied, which is to be filled, and who has it?
 *
 * Who works on a block claims it: it is in no ring then, so nobody else chooses it,
 * and whoever claimed it owes a release.
 *
 *	claim -> work -> release, as it is		anybody may choose it
 *			 release, tried			not the same run
 *			 release, spoiled		parked: nobody, for a while
 *
 * A block that holds a page which cannot move is parked, for longer each time that it
 * is found so. It is not chosen as a source, and is the better target for that: what
 * is moved there need not move again.
 *
 * All of it is protected by zone->lock.
 */
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include "internal.h"

/* A block is parked for this long, and twice as long after each further failure. */
#define PARK_JIFFIES		max(HZ / 8, 1)
#define PARK_LEVELS		8
/* How many blocks of a bucket are compared, and how many buckets are looked into. */
#define LOOKS			8

static void claim(struct zone *zone, struct compact_entry *entry, u32 block)
{
	compact_index_check_block(zone, compact_index_pfn(block));
	compact_index_unfile(zone, entry, block);
	entry->ring = COMPACT_RING_CLAIMED;
}

/* Has its time come? What is too far ahead is a time that is long over. */
static bool park_is_over(const struct compact_entry *entry)
{
	u32 left = entry->until - (u32)jiffies;

	return left - 1 >= (u32)PARK_JIFFIES << PARK_LEVELS;
}

/* Has this run tried to empty it, or somebody else since it began? */
static bool tried(const struct compact_entry *entry,
		  const struct compact_wish *wish)
{
	u32 parked_at;

	if (!entry->parked)
		return entry->until == wish->run;
	parked_at = entry->until - ((u32)PARK_JIFFIES << (entry->failures - 1));
	return !time_before32(parked_at, wish->began);
}

/*
 * Of some of the parked blocks, the emptiest, let go those whose time has come. A run
 * that takes longer than that does not come back to what it has parked itself.
 */
static void unpark(struct zone *zone, const struct compact_wish *wish)
{
	struct compact_index *index = &zone->compaction.index;
	unsigned int bucket, looks = 0;

	for_each_set_bit(bucket, index->used[COMPACT_RING_PARKED], COMPACT_BUCKETS) {
		u32 *first = &index->first[COMPACT_RING_PARKED][bucket];
		struct compact_entry *entry = compact_index_entry(zone, *first);
		u32 block = *first;

		/* the next one comes first next time */
		*first = entry->next;
		if (park_is_over(entry) && !tried(entry, wish)) {
			entry->parked = 0;
			entry->until = 0;
		}
		compact_index_file(zone, entry, block);
		if (++looks == LOOKS)
			return;
	}
}

/* The emptier is better to be emptied, the fuller to be filled. */
static bool better(const struct compact_entry *entry,
		   const struct compact_entry *best, bool source)
{
	return source ? entry->free > best->free : entry->free < best->free;
}

/*
 * The emptiest or the fullest of the first few blocks of a bucket that will do. Those
 * that belong elsewhere go there on the way, which may leave the bucket empty. Those
 * that belong to another bucket are as good.
 */
static struct compact_entry *best_of_bucket(struct zone *zone,
					    enum compact_ring ring,
					    unsigned int bucket,
					    const struct compact_wish *source,
					    unsigned int free_limit, u32 *number)
{
	struct compact_index *index = &zone->compaction.index;
	struct compact_entry *best = NULL;
	u32 next = index->first[ring][bucket], block;
	u32 last = compact_index_entry(zone, next)->prev;
	unsigned int looks = 0;

	do {
		struct compact_entry *entry = compact_index_entry(zone, next);

		block = next;
		next = entry->next;
		compact_index_file(zone, entry, block);
		if (entry->ring == ring && entry->free <= free_limit &&
		    !(source && tried(entry, source)) &&
		    (!best || better(entry, best, source))) {
			best = entry;
			*number = block;
		}
	} while (block != last && ++looks < LOOKS);
	return best;
}

static int take(struct zone *zone, struct compact_entry *entry, u32 number,
		struct compact_block *block)
{
	claim(zone, entry, number);
	block->start_pfn = compact_index_pfn(number);
	block->end_pfn = block->start_pfn + pageblock_nr_pages;
	return entry->free;
}

static unsigned int first_bucket(struct zone *zone, enum compact_ring ring)
{
	return find_first_bit(zone->compaction.index.used[ring],
			      COMPACT_BUCKETS);
}

/*
 * From the emptiest bucket on. What a run has tried is at the end of its bucket, so
 * that with all of the first few tried there is little else.
 */
static int claim_emptiest(struct zone *zone, enum compact_ring ring,
			  const struct compact_wish *wish,
			  struct compact_block *block)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	struct compact_entry *entry;
	unsigned int bucket;
	u32 number;

	for_each_set_bit(bucket, used, COMPACT_BUCKETS) {
		entry = best_of_bucket(zone, ring, bucket, wish, UINT_MAX, &number);
		if (entry)
			return take(zone, entry, number, block);
	}
	return -ENOENT;
}

/**
 * compact_index_claim_source - the block that is the cheapest to empty
 * @zone: where
 * @wish: what kind of block
 * @block: which it is
 *
 * The caller owes a compact_index_release().
 *
 * Context: process context. Takes zone->lock.
 * Return: how many of its pages are free; -ENOENT if there is none.
 */
int compact_index_claim_source(struct zone *zone, const struct compact_wish *wish,
			       struct compact_block *block)
{
	enum compact_ring other = wish->ring == COMPACT_RING_MOVABLE ?
				  COMPACT_RING_OTHER : COMPACT_RING_MOVABLE;
	enum compact_ring ring = wish->ring;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&zone->lock, flags);
	unpark(zone, wish);
	if (wish->both && first_bucket(zone, other) < first_bucket(zone, ring))
		swap(ring, other);
	ret = claim_emptiest(zone, ring, wish, block);
	if (ret == -ENOENT && wish->both)
		ret = claim_emptiest(zone, other, wish, block);
	if (ret == -ENOENT && wish->parked)
		ret = claim_emptiest(zone, COMPACT_RING_PARKED, wish, block);
	spin_unlock_irqrestore(&zone->lock, flags);
	return ret;
}

/* The most that is worth scanning is this, or what is allowed if that is less. */
static unsigned int worth_bucket(unsigned int free_limit)
{
	return compact_bucket(min_t(unsigned int, COMPACT_SCAN_WORTH, free_limit));
}

/* Of those with enough free pages to be worth scanning, the fullest. */
static int claim_worth(struct zone *zone, enum compact_ring ring,
		       unsigned int free_limit, struct compact_block *block)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	unsigned int end = worth_bucket(free_limit) + 1, looks;
	struct compact_entry *entry;
	u32 number;

	for (looks = 0; looks < LOOKS; looks++) {
		unsigned int bucket = find_last_bit(used, end);

		if (bucket >= end || bucket < compact_bucket(free_limit))
			break;
		entry = best_of_bucket(zone, ring, bucket, NULL, free_limit,
				       &number);
		if (entry)
			return take(zone, entry, number, block);
		end = bucket;
	}
	return -ENOENT;
}

/* Of those that are fuller than that, the emptiest. */
static int claim_fuller(struct zone *zone, enum compact_ring ring,
			unsigned int free_limit, struct compact_block *block)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	unsigned int bucket = worth_bucket(free_limit) + 1, looks = 0;
	struct compact_entry *entry;
	u32 number;

	for_each_set_bit_from(bucket, used, COMPACT_BUCKETS) {
		entry = best_of_bucket(zone, ring, bucket, NULL, free_limit,
				       &number);
		if (entry)
			return take(zone, entry, number, block);
		if (++looks == LOOKS)
			break;
	}
	return -ENOENT;
}

/**
 * compact_index_claim_target - a block to move pages to
 * @zone: where
 * @free_limit: it must not have more free pages than that, unless it is parked
 * @block: which it is
 *
 * Of the blocks for movable pages: first those that are parked, as they will not be
 * emptied soon. Of these, and of the others, the fullest that is worth scanning, and
 * if there is none, one that is fuller. Otherwise as compact_index_claim_source().
 *
 * Context: process context. Takes zone->lock.
 */
int compact_index_claim_target(struct zone *zone, unsigned int free_limit,
			       struct compact_block *block)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&zone->lock, flags);
	ret = claim_worth(zone, COMPACT_RING_PARKED, pageblock_nr_pages, block);
	if (ret == -ENOENT)
		ret = claim_worth(zone, COMPACT_RING_MOVABLE, free_limit, block);
	if (ret == -ENOENT)
		ret = claim_fuller(zone, COMPACT_RING_PARKED, pageblock_nr_pages,
				   block);
	if (ret == -ENOENT)
		ret = claim_fuller(zone, COMPACT_RING_MOVABLE, free_limit, block);
	spin_unlock_irqrestore(&zone->lock, flags);
	return ret;
}

/* Is there a block between these buckets? Without the lock: a hint. */
static bool any_between(struct zone *zone, enum compact_ring ring,
			unsigned int least, unsigned int most)
{
	unsigned int end = compact_bucket(least) + 1;

	return find_next_bit(zone->compaction.index.used[ring], end,
			     compact_bucket(most)) < end;
}

/**
 * compact_index_worth_scanning - is there a target that is not nearly full?
 * @zone: where
 * @free_limit: as for compact_index_claim_target()
 *
 * Context: any. No lock is taken: the answer is a hint.
 */
bool compact_index_worth_scanning(struct zone *zone, unsigned int free_limit)
{
	return any_between(zone, COMPACT_RING_PARKED, COMPACT_SCAN_WORTH,
			   pageblock_nr_pages) ||
	       (free_limit >= COMPACT_SCAN_WORTH &&
		any_between(zone, COMPACT_RING_MOVABLE, COMPACT_SCAN_WORTH,
			    free_limit));
}

/**
 * compact_index_run - a number for a run over a zone
 *
 * Return: never 0. One that is used again after four thousand million runs costs a
 * block that is not tried.
 */
u32 compact_index_run(void)
{
	static atomic_t runs;

	return (u32)atomic_inc_return(&runs) ?: compact_index_run();
}

static void park(struct compact_entry *entry)
{
	unsigned int level = min_t(unsigned int, entry->failures,
				   PARK_LEVELS - 1);

	entry->parked = 1;
	entry->failures = level + 1;
	entry->until = (u32)jiffies + ((u32)PARK_JIFFIES << level);
}

/**
 * compact_index_release - a claimed block is to be filed again
 * @zone: its zone
 * @pfn: any page of it
 * @how: what has become of it; if it is wholly free by now, that is of no account
 * @run: whose claim it was
 *
 * Context: process context. Takes zone->lock.
 */
void compact_index_release(struct zone *zone, unsigned long pfn,
			   enum compact_block_end how, u32 run)
{
	struct compact_entry *entry;
	unsigned long flags;
	int idx = compact_scan_begin();
	struct page *page = pfn_to_online_page(pfn);

	/* it may have gone offline meanwhile, and its entry with it */
	if (!page || page_zone(page) != zone)
		goto out;
	spin_lock_irqsave(&zone->lock, flags);
	entry = compact_entry(zone, pfn);
	if (entry->ring == COMPACT_RING_CLAIMED) {
		entry->ring = COMPACT_RING_NONE;
		if (how == COMPACT_BLOCK_TRIED && !entry->parked)
			entry->until = run;
		else if (how != COMPACT_BLOCK_AS_IT_IS &&
			 entry->free < pageblock_nr_pages)
			park(entry);
		compact_index_file(zone, entry, pfn >> pageblock_order);
	}
	spin_unlock_irqrestore(&zone->lock, flags);
out:
	compact_scan_end(idx);
}
