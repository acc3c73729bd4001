// SPDX-License-Identifier: GPL-2.0
/*
 * Which block of the index is to be emptied, which is to be filled, and who has it?
 *
 * Who works on a block claims it: it is in no ring then, so nobody else chooses it,
 * and whoever claimed it owes a release.
 *
 *	claim -> work -> release, as it is	anybody may choose it
 *			 release, passed	no run that has begun before that, unless
 *						it may do more
 *			 release, failed	no run that has begun before that
 *			 release, range failed	the same, but if it is parked it stays so
 *			 release, spoiled	parked: nobody, for a while
 *
 * The index counts the failures, and a block that could not be emptied keeps the count
 * of then. So a run that knows the count of its beginning leaves alone what anybody has
 * tried since, and comes to its end whatever others do.
 *
 * A block that holds a page which cannot move is parked, for longer each time that it
 * is found so, until its time has come or between an eighth and a quarter of it has
 * become free. It is not chosen as a source if another will do, and is the better
 * target for that: what is moved there need not move again.
 *
 * All of it is protected by zone->lock.
 */
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include "internal.h"

/* A block is parked for one COMPACT_PARK_JIFFIES, and then for twice as many, ... */
#define PARK_LEVELS		7
#define PARK_MAX		BIT(PARK_LEVELS - 1)
/* What @failed_at counts up to. */
#define FAILED_UNITS		BIT(22)
/* How many blocks of a bucket are compared, and how many buckets are looked into. */
#define LOOKS			8
/* How many blocks of a bucket are looked at to find those. */
#define MAX_PASSED		64

static const enum compact_ring other_kind[] = {
	[COMPACT_RING_MOVABLE] = COMPACT_RING_OTHER,
	[COMPACT_RING_OTHER] = COMPACT_RING_MOVABLE,
	[COMPACT_RING_PARKED] = COMPACT_RING_PARKED_OTHER,
	[COMPACT_RING_PARKED_OTHER] = COMPACT_RING_PARKED,
};

static u32 park_time(void)
{
	return (u32)jiffies / COMPACT_PARK_JIFFIES;
}

/* What is too far ahead is a time that is long over. */
static bool park_is_over(const struct compact_entry *entry)
{
	return (entry->until - park_time() - 1) % COMPACT_PARK_UNITS > PARK_MAX;
}

/* Who tries it before its time has come does not make that any later. */
static void park(struct compact_entry *entry)
{
	unsigned int level = min_t(unsigned int, entry->failures,
				   PARK_LEVELS - 1);

	if (entry->parked && !park_is_over(entry))
		return;
	entry->parked = 1;
	entry->failures = level + 1;
	/* the unit that has begun does not count */
	entry->until = (park_time() + (1U << level) + 1) % COMPACT_PARK_UNITS;
	entry->eighths = min_t(unsigned int, 7,
			       entry->free * 8UL >> pageblock_order);
}

/* Has anybody who could do as much tried to empty it since the run began? */
bool compact_index_tried(struct zone *zone, const struct compact_entry *entry,
			 const struct compact_wish *wish)
{
	u32 failed = zone->compaction.index.failed;

	return (failed - entry->failed_at) % FAILED_UNITS <
	       (failed - wish->began) % FAILED_UNITS &&
	       (!entry->weakly || wish->weak);
}

/*
 * Let go those whose time has come, going round the buckets, one of each. For a run that
 * takes longer than that, what it has parked itself would only be in the way.
 */
static void unpark(struct zone *zone, enum compact_ring ring,
		   const struct compact_wish *wish)
{
	struct compact_index *index = &zone->compaction.index;
	u8 *at = &index->unpark[ring == COMPACT_RING_PARKED_OTHER];
	unsigned int looks;

	for (looks = 0; looks < LOOKS; looks++) {
		unsigned int bucket = find_next_bit(index->used[ring],
						    COMPACT_BUCKETS, *at);
		struct compact_entry *entry;
		u32 block;

		*at = bucket + 1;
		if (bucket >= COMPACT_BUCKETS) {
			*at = 0;
			return;
		}
		block = index->first[ring][bucket];
		entry = compact_index_entry(zone, block);
		/* the next one comes first next time */
		index->first[ring][bucket] = entry->next;
		if (!park_is_over(entry) ||
		    compact_index_tried(zone, entry, wish))
			continue;
		entry->parked = 0;
		compact_index_file(zone, entry, block);
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
 * that belong elsewhere go there on the way, which may leave the bucket empty; they are
 * as good if they belong to another bucket of the ring. If none will do, others come
 * first next time.
 */
static struct compact_entry *best_of_bucket(struct zone *zone,
					    enum compact_ring ring,
					    unsigned int bucket,
					    const struct compact_wish *source,
					    unsigned int free_limit, u32 *number)
{
	struct compact_index *index = &zone->compaction.index;
	u32 next = index->first[ring][bucket], block;
	u32 last = compact_index_entry(zone, next)->prev;
	unsigned int looks = 0, passed = 0;
	struct compact_entry *best = NULL;

	do {
		struct compact_entry *entry = compact_index_entry(zone, next);

		block = next;
		next = entry->next;
		passed++;
		if (entry->free > free_limit ||
		    (source && compact_index_tried(zone, entry, source)))
			continue;
		compact_index_file(zone, entry, block);
		if (entry->ring != ring)
			continue;
		looks++;
		if (!best || better(entry, best, source)) {
			best = entry;
			*number = block;
		}
	} while (block != last && looks < LOOKS && passed < MAX_PASSED);
	if (!best && block != last)
		index->first[ring][bucket] = next;
	return best;
}

/* It is in the caller's hands after that. False if there is none. */
bool compact_index_take(struct zone *zone, struct compact_entry *entry, u32 number,
			struct compact_claim *claim)
{
	struct compact_block *block = &claim->block;

	if (!entry)
		return false;
	block->start_pfn = compact_index_pfn(number);
	block->end_pfn = block->start_pfn + pageblock_nr_pages;
	claim->free = entry->free;
	claim->parked = entry->parked;
	claim->suspect = entry->failures;

	compact_index_check_block(zone, block->start_pfn);
	compact_index_unfile(zone, entry, number);
	entry->ring = COMPACT_RING_CLAIMED;
	zone->compaction.index.claimed++;
	return true;
}

/* From the emptiest of these buckets on. */
static struct compact_entry *emptiest(struct zone *zone, enum compact_ring ring,
				      const struct compact_wish *wish,
				      unsigned int bucket, unsigned int end,
				      u32 *number)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	struct compact_entry *entry;

	for_each_set_bit_from(bucket, used, end) {
		entry = best_of_bucket(zone, ring, bucket, wish, UINT_MAX, number);
		if (entry)
			return entry;
	}
	return NULL;
}

/*
 * Those that are emptier than what the run had last it has tried, or they are new. Full
 * ones are not among them.
 */
static struct compact_entry *emptiest_of_ring(struct zone *zone,
					      enum compact_ring ring,
					      const struct compact_wish *wish,
					      u32 *number)
{
	return emptiest(zone, ring, wish, wish->from, COMPACT_FULL, number) ?:
	       emptiest(zone, ring, wish, 0, wish->from, number);
}

/* Of one kind of blocks, or of both. */
static bool claim_emptiest(struct zone *zone, enum compact_ring ring,
			   const struct compact_wish *wish,
			   struct compact_claim *claim)
{
	struct compact_entry *entry, *other = NULL;
	u32 number, other_number;

	entry = emptiest_of_ring(zone, ring, wish, &number);
	if (wish->both)
		other = emptiest_of_ring(zone, other_kind[ring], wish,
					 &other_number);
	if (other && (!entry || other->free > entry->free))
		return compact_index_take(zone, other, other_number, claim);
	return compact_index_take(zone, entry, number, claim);
}

/* Have the parked blocks room for as many pages as a full one has? */
static bool has_parked_room(struct zone *zone)
{
	struct compact_index *index = &zone->compaction.index;
	const unsigned long *used = index->used[COMPACT_RING_PARKED];
	unsigned int bucket, looks = 0;
	unsigned long room = 0;

	for_each_set_bit(bucket, used, COMPACT_FULL) {
		u32 first = index->first[COMPACT_RING_PARKED][bucket];
		u32 block = first;

		do {
			struct compact_entry *entry;

			entry = compact_index_entry(zone, block);
			room += entry->free;
			if (room >= pageblock_nr_pages)
				return true;
			block = entry->next;
		} while (block != first && ++looks < MAX_PASSED);
	}
	return false;
}

/*
 * What is moved out of a full block can only go to those that are parked. Full blocks of
 * other types are the kernel's.
 */
static bool claim_full(struct zone *zone, const struct compact_wish *wish,
		       struct compact_claim *claim)
{
	const enum compact_ring ring = COMPACT_RING_MOVABLE;
	struct compact_entry *entry;
	u32 number;

	if (!test_bit(COMPACT_FULL, zone->compaction.index.used[ring]) ||
	    !has_parked_room(zone))
		return false;
	entry = best_of_bucket(zone, ring, COMPACT_FULL, wish, 0, &number);
	return compact_index_take(zone, entry, number, claim);
}

/* Who has come to the full ones need not look again whether there are others. */
static bool claim_any(struct zone *zone, const struct compact_wish *wish,
		      struct compact_claim *claim)
{
	enum compact_ring parked = wish->ring == COMPACT_RING_MOVABLE ?
				   COMPACT_RING_PARKED :
				   COMPACT_RING_PARKED_OTHER;

	if (wish->full && wish->from == COMPACT_FULL)
		return claim_full(zone, wish, claim);
	return claim_emptiest(zone, wish->ring, wish, claim) ||
	       (wish->parked && claim_emptiest(zone, parked, wish, claim)) ||
	       (wish->full && claim_full(zone, wish, claim));
}

/**
 * compact_index_begin - a run over a zone begins
 * @zone: the zone
 *
 * Context: any.
 * Return: what struct compact_wish calls began.
 */
u32 compact_index_begin(struct zone *zone)
{
	struct compact_index *index = &zone->compaction.index;

	WRITE_ONCE(index->spare_until, (u32)jiffies + COMPACT_SPARE_JIFFIES);
	return READ_ONCE(index->failed);
}

/**
 * compact_index_claim_source - the block that is the cheapest to empty
 * @zone: where
 * @wish: what kind of block
 * @claim: which it is
 *
 * The caller owes a compact_index_release().
 *
 * Context: process context. Takes zone->lock, for as long as it takes to look at a few
 * blocks of one bucket or of some; of each, if none will do.
 * Return: false if there is none.
 */
bool compact_index_claim_source(struct zone *zone, const struct compact_wish *wish,
				struct compact_claim *claim)
{
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&zone->lock, flags);
	unpark(zone, COMPACT_RING_PARKED, wish);
	unpark(zone, COMPACT_RING_PARKED_OTHER, wish);
	found = claim_any(zone, wish, claim);
	spin_unlock_irqrestore(&zone->lock, flags);
	return found;
}

/* The most that is worth scanning is this, or what is allowed if that is less. */
static unsigned int worth_bucket(unsigned int free_limit)
{
	return compact_bucket(min_t(unsigned int, COMPACT_SCAN_WORTH, free_limit));
}

/* Of those with enough free pages to be worth scanning, the fullest. */
static bool claim_worth(struct zone *zone, enum compact_ring ring,
			unsigned int free_limit, struct compact_claim *claim)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	unsigned int end = min(worth_bucket(free_limit) + 1, COMPACT_FULL), looks;
	struct compact_entry *entry;
	u32 number;

	for (looks = 0; looks < LOOKS; looks++) {
		unsigned int bucket = find_last_bit(used, end);

		if (bucket >= end || bucket < compact_bucket(free_limit))
			break;
		entry = best_of_bucket(zone, ring, bucket, NULL, free_limit,
				       &number);
		if (entry)
			return compact_index_take(zone, entry, number, claim);
		end = bucket;
	}
	return false;
}

/* Of those that are fuller than that, the emptiest. */
static bool claim_fuller(struct zone *zone, enum compact_ring ring,
			 unsigned int free_limit, struct compact_claim *claim)
{
	const unsigned long *used = zone->compaction.index.used[ring];
	unsigned int bucket = worth_bucket(free_limit) + 1, looks = 0;
	struct compact_entry *entry;
	u32 number;

	for_each_set_bit_from(bucket, used, COMPACT_FULL) {
		entry = best_of_bucket(zone, ring, bucket, NULL, free_limit,
				       &number);
		if (entry)
			return compact_index_take(zone, entry, number, claim);
		if (++looks == LOOKS)
			break;
	}
	return false;
}

/**
 * compact_index_claim_target - a block to move pages to
 * @zone: where
 * @limit: how many free pages it may have at most
 * @claim: which it is
 *
 * Of the blocks for movable pages: first those that are parked, as they will not be
 * emptied soon. Of these, and of the others, the fullest that is worth scanning, and
 * if there is none, one that is fuller. The caller owes a compact_index_release().
 *
 * Context: process context. Takes zone->lock.
 * Return: false if there is none.
 */
bool compact_index_claim_target(struct zone *zone,
				const struct compact_limit *limit,
				struct compact_claim *claim)
{
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&zone->lock, flags);
	found = claim_worth(zone, COMPACT_RING_PARKED, limit->parked, claim) ||
		claim_worth(zone, COMPACT_RING_MOVABLE, limit->free, claim) ||
		claim_fuller(zone, COMPACT_RING_PARKED, limit->parked, claim) ||
		claim_fuller(zone, COMPACT_RING_MOVABLE, limit->free, claim);
	spin_unlock_irqrestore(&zone->lock, flags);
	return found;
}

/* The section can have gone offline, and its entries and struct pages with it. */
static bool is_online(struct zone *zone, unsigned long pfn)
{
#ifdef CONFIG_SPARSEMEM
	if (!online_section_nr(pfn_to_section_nr(pfn)))
		return false;
#endif
	return page_zone(pfn_to_page(pfn)) == zone;
}

/**
 * compact_index_claim_target_at - go on filling a block
 * @zone: where
 * @pfn: a page of it, whatever has become of it meanwhile
 * @limit: how many free pages it may have at most
 * @claim: which it is
 *
 * Context: process context. Takes zone->lock.
 * Return: false if that one is not to be filled.
 */
bool compact_index_claim_target_at(struct zone *zone, unsigned long pfn,
				   const struct compact_limit *limit,
				   struct compact_claim *claim)
{
	int idx = compact_scan_begin();
	struct compact_entry *entry;
	unsigned long flags;
	bool found = false;

	if (is_online(zone, pfn)) {
		spin_lock_irqsave(&zone->lock, flags);
		entry = compact_entry(zone, pfn);
		if (entry->free &&
		    ((entry->ring == COMPACT_RING_PARKED &&
		      entry->free <= limit->parked) ||
		     (entry->ring == COMPACT_RING_MOVABLE &&
		      entry->free <= limit->free)))
			found = compact_index_take(zone, entry,
						   pfn >> pageblock_order, claim);
		spin_unlock_irqrestore(&zone->lock, flags);
	}
	compact_scan_end(idx);
	return found;
}

/* Is there a block between these buckets? Without the lock: a hint. */
static bool any_between(struct zone *zone, enum compact_ring ring,
			unsigned int least, unsigned int most)
{
	unsigned int end = compact_bucket(least) + 1;

	/* a bit that changes meanwhile is one block more or less */
	return data_race(find_next_bit(zone->compaction.index.used[ring], end,
				       compact_bucket(most))) < end;
}

/**
 * compact_index_worth_scanning - is there a target that is not nearly full?
 * @zone: where
 * @limit: as for compact_index_claim_target()
 *
 * Context: any. No lock is taken: the answer is a hint.
 * Return: true if a quarter of one or more is free, within the limit.
 */
bool compact_index_worth_scanning(struct zone *zone,
				  const struct compact_limit *limit)
{
	return (limit->parked >= COMPACT_SCAN_WORTH &&
		any_between(zone, COMPACT_RING_PARKED, COMPACT_SCAN_WORTH,
			    limit->parked)) ||
	       (limit->free >= COMPACT_SCAN_WORTH &&
		any_between(zone, COMPACT_RING_MOVABLE, COMPACT_SCAN_WORTH,
			    limit->free));
}

static void note_failure(struct compact_index *index, struct compact_entry *entry,
			 enum compact_block_end how)
{
	if (how == COMPACT_BLOCK_AS_IT_IS)
		return;
	entry->failed_at = ++index->failed % FAILED_UNITS;
	entry->weakly = how == COMPACT_BLOCK_PASSED;
	if (how == COMPACT_BLOCK_FAILED)
		entry->parked = 0;
	if (how == COMPACT_BLOCK_SPOILED && entry->free < pageblock_nr_pages)
		park(entry);
}

/**
 * compact_index_release - a claimed block is to be filed again
 * @zone: its zone
 * @pfn: any page of it
 * @how: what has become of it; if it is wholly free by now, that is of no account
 *
 * Context: process context. Takes zone->lock.
 */
void compact_index_release(struct zone *zone, unsigned long pfn,
			   enum compact_block_end how)
{
	struct compact_index *index = &zone->compaction.index;
	struct compact_entry *entry;
	unsigned long flags;
	int idx = compact_scan_begin();

	if (!is_online(zone, pfn))
		goto out;
	spin_lock_irqsave(&zone->lock, flags);
	entry = compact_entry(zone, pfn);
	if (entry->ring == COMPACT_RING_CLAIMED) {
		entry->ring = COMPACT_RING_NONE;
		index->claimed--;
		note_failure(index, entry, how);
		compact_index_file(zone, entry, pfn >> pageblock_order);
	}
	spin_unlock_irqrestore(&zone->lock, flags);
out:
	compact_scan_end(idx);
}
