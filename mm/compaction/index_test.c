// SPDX-License-Identifier: GPL-2.0
/*
 * The index of pageblocks: after whatever has been allocated, freed, split, merged,
 * isolated and claimed its counts are those of the free lists, each block is found
 * where it is filed, and the best block is what is chosen.
 */
#include <linux/prandom.h>
#include <linux/sched.h>
#include "test_util.h"

#define NR_HELD		64
#define ROUNDS		4000

/* A bucket is no wider than an eighth of what its emptiest block costs. */
static void buckets_are_narrow(struct kunit *test)
{
	unsigned int free, first_used = 0, scale = pageblock_nr_pages / 512 ?: 1;
	unsigned int bucket = compact_bucket(pageblock_nr_pages);

	KUNIT_EXPECT_EQ(test, bucket, 0);
	KUNIT_EXPECT_EQ(test, compact_bucket(0), COMPACT_BUCKETS - 1);
	for (free = pageblock_nr_pages; free--; ) {
		unsigned int used = pageblock_nr_pages - free;
		unsigned int next = compact_bucket(free);

		KUNIT_ASSERT_LE(test, bucket, next);
		KUNIT_ASSERT_LE(test, next, bucket + 1);
		if (next != bucket)
			first_used = used;
		KUNIT_ASSERT_LE(test, used - first_used,
				first_used / 8 + scale);
		bucket = next;
	}
}

struct held {
	struct page *page;
	unsigned int order;
};

static void hold(struct held *held, struct rnd_state *rnd)
{
	held->order = prandom_u32_state(rnd) % MAX_ORDER;
	if (prandom_u32_state(rnd) % 4)
		held->order = 0;
	held->page = alloc_pages((prandom_u32_state(rnd) % 2 ? GFP_KERNEL :
				  GFP_HIGHUSER_MOVABLE) | __GFP_NOWARN |
				 __GFP_NORETRY, held->order);
}

/* Whole, or as base pages, which merge again. */
static void let_go(struct held *held, struct rnd_state *rnd)
{
	unsigned long i;

	if (held->order && prandom_u32_state(rnd) % 2) {
		split_page(held->page, held->order);
		for (i = 0; i < 1UL << held->order; i++)
			__free_page(held->page + i);
	} else {
		__free_pages(held->page, held->order);
	}
	held->page = NULL;
}

static unsigned long check_zones(void)
{
	unsigned long wrong = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		wrong += compact_index_check(zone);
	return wrong;
}

static void counts_follow_the_free_lists(struct kunit *test)
{
	struct held *held = kunit_kcalloc(test, NR_HELD, sizeof(*held),
					  GFP_KERNEL);
	struct rnd_state rnd;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, held);
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < ROUNDS; i++) {
		struct held *one = &held[prandom_u32_state(&rnd) % NR_HELD];

		if (one->page)
			let_go(one, &rnd);
		else
			hold(one, &rnd);
		if (i % 500 == 0)
			KUNIT_EXPECT_EQ(test, check_zones(), 0);
	}
	for (i = 0; i < NR_HELD; i++)
		if (held[i].page)
			let_go(&held[i], &rnd);
	drain_all_pages(NULL);
	KUNIT_EXPECT_EQ(test, check_zones(), 0);
}

/* The pages change lists, whole blocks at a time, and stay where they are. */
static void isolation_keeps_the_count(struct kunit *test)
{
	unsigned long pfn = test_alloc_block(test);
	unsigned long end = pfn + pageblock_nr_pages;
	struct zone *zone = page_zone(pfn_to_page(pfn));
	int type = get_pageblock_migratetype(pfn_to_page(pfn));

	test_free_pages(pfn, 10);
	KUNIT_EXPECT_EQ(test, test_entry(pfn)->free, 10);
	KUNIT_EXPECT_NE(test, test_ring(pfn), COMPACT_RING_NONE);

	test_free_pages(pfn + 10, pageblock_nr_pages - 10);
	KUNIT_EXPECT_EQ(test, test_entry(pfn)->free, pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_NONE);
	KUNIT_ASSERT_EQ(test, start_isolate_page_range(pfn, end, type, 0,
						       GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	undo_isolate_page_range(pfn, end, type);
	KUNIT_EXPECT_EQ(test, test_entry(pfn)->free, pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
}

/* All under the lock, since no page of it is on the list of isolated ones. */
static void isolated_block_is_not_filed(struct kunit *test)
{
	unsigned long pfn = test_movable_block(test, 2), flags;
	struct zone *zone = page_zone(pfn_to_page(pfn));
	enum compact_ring isolated, again;

	spin_lock_irqsave(&zone->lock, flags);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_ISOLATE);
	compact_index_retype(zone, pfn);
	isolated = test_ring(pfn);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
	compact_index_retype(zone, pfn);
	again = test_ring(pfn);
	spin_unlock_irqrestore(&zone->lock, flags);

	KUNIT_EXPECT_EQ(test, isolated, COMPACT_RING_NONE);
	KUNIT_EXPECT_EQ(test, again, COMPACT_RING_MOVABLE);
	test_free_pages(pfn, 2);
}

/* A block of the test's own is lost for a moment. */
static void check_finds_a_lost_block(struct kunit *test)
{
	unsigned long pfn = test_movable_block(test, 2), flags;
	struct zone *zone = page_zone(pfn_to_page(pfn));
	u32 block = pfn >> pageblock_order;

	spin_lock_irqsave(&zone->lock, flags);
	compact_index_unfile(zone, test_entry(pfn), block);
	spin_unlock_irqrestore(&zone->lock, flags);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 1);

	spin_lock_irqsave(&zone->lock, flags);
	compact_index_file(zone, test_entry(pfn), block);
	spin_unlock_irqrestore(&zone->lock, flags);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	test_free_pages(pfn, 2);
}

static bool claim_movable(struct zone *zone, u32 began,
			  struct compact_claim *claim)
{
	const struct compact_wish wish = {
		.began = began,
		.ring = COMPACT_RING_MOVABLE,
	};

	return compact_index_claim_source(zone, &wish, claim);
}

/* Claim blocks until it is this one's turn. They stay claimed. */
static bool claims_source(struct zone *zone, unsigned long pfn)
{
	u32 began = compact_index_begin(zone);
	struct compact_claim claim;

	while (claim_movable(zone, began, &claim))
		if (claim.block.start_pfn == pfn)
			return true;
	return false;
}

static void release_all(struct zone *zone)
{
	unsigned long pfn;

	for (pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone);
	     pfn = pageblock_end_pfn(pfn))
		if (test_ring(pfn) == COMPACT_RING_CLAIMED)
			compact_index_release(zone, pfn, COMPACT_BLOCK_AS_IT_IS);
}

static void emptiest_is_claimed_once(struct kunit *test)
{
	unsigned long near = test_movable_block(test, 2), far = test_movable_block(test, 7);
	struct zone *zone = page_zone(pfn_to_page(near));
	struct compact_claim claim;

	KUNIT_ASSERT_TRUE(test, claim_movable(zone, compact_index_begin(zone),
					      &claim));
	KUNIT_EXPECT_EQ(test, claim.free, pageblock_nr_pages - 2);
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, near);
	KUNIT_EXPECT_FALSE(test, claim.parked);
	KUNIT_EXPECT_TRUE(test, claims_source(zone, far));
	KUNIT_EXPECT_FALSE(test, claims_source(zone, near));

	release_all(zone);
	KUNIT_EXPECT_EQ(test, zone->compaction.index.claimed, 0);
	KUNIT_EXPECT_TRUE(test, claims_source(zone, near));
	release_all(zone);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	test_free_pages(near, 2);
	test_free_pages(far, 7);
}

/* Both are in one bucket, and one of them has more free pages than are allowed. */
static void fullest_is_target(struct kunit *test)
{
	const struct compact_limit limit = { .free = 16, .parked = 16 };
	unsigned int used = pageblock_nr_pages - 16, less = used - 8;
	unsigned long full = test_movable_block(test, used);
	unsigned long over = test_movable_block(test, less);
	struct zone *zone = page_zone(pfn_to_page(full));
	struct compact_claim claim;
	bool found = false;

	while (compact_index_claim_target(zone, &limit, &claim)) {
		KUNIT_EXPECT_LE(test, claim.free, 16);
		KUNIT_EXPECT_NE(test, claim.block.start_pfn, over);
		found |= claim.block.start_pfn == full;
	}
	KUNIT_EXPECT_TRUE(test, found);
	release_all(zone);
	test_free_pages(full, used);
	test_free_pages(over, less);
}

/* How many pages are free in blocks that are parked? */
static unsigned long parked_room(struct zone *zone)
{
	unsigned long pfn, room = 0;

	for (pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone);
	     pfn = pageblock_end_pfn(pfn))
		if (test_ring(pfn) == COMPACT_RING_PARKED)
			room += test_entry(pfn)->free;
	return room;
}

/* And no target. Is there room in parked ones for all of it, it is the last source. */
static void full_block_is_the_last_source(struct kunit *test)
{
	unsigned long full = test_alloc_block(test);
	unsigned long parked[] = { test_movable_block(test, 2), test_movable_block(test, 2) };
	struct zone *zone = page_zone(pfn_to_page(full));
	struct compact_wish wish = {
		.ring = COMPACT_RING_MOVABLE,
		.full = true,
	};
	const struct compact_limit limit = {
		.free = pageblock_nr_pages,
		.parked = pageblock_nr_pages,
	};
	struct compact_claim claim;
	unsigned int i;
	bool found, any, room;

	test_make_movable(full);
	KUNIT_ASSERT_TRUE(test, test_entry(full)->bucket == COMPACT_FULL);
	for (i = 0; i < ARRAY_SIZE(parked); i++) {
		KUNIT_ASSERT_TRUE(test, claims_source(zone, parked[i]));
		compact_index_release(zone, parked[i], COMPACT_BLOCK_SPOILED);
		release_all(zone);

		found = false;
		any = false;
		room = parked_room(zone) >= pageblock_nr_pages;
		wish.began = compact_index_begin(zone);
		while (compact_index_claim_source(zone, &wish, &claim)) {
			KUNIT_EXPECT_FALSE(test, any && claim.free);
			any |= !claim.free;
			found |= claim.block.start_pfn == full;
		}
		KUNIT_EXPECT_EQ(test, found, room);
		release_all(zone);
	}
	KUNIT_EXPECT_TRUE(test, room);

	while (compact_index_claim_target(zone, &limit, &claim))
		KUNIT_EXPECT_GT(test, claim.free, 0);
	KUNIT_EXPECT_FALSE(test, compact_index_claim_target_at(zone, full,
							       &limit, &claim));
	release_all(zone);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	test_free_block(full);
	test_free_pages(parked[0], 2);
	test_free_pages(parked[1], 2);
}

/* For how long? It must not be claimed by anybody meanwhile. */
static u32 spoil(struct kunit *test, unsigned long pfn)
{
	struct zone *zone = page_zone(pfn_to_page(pfn));
	u32 left;

	KUNIT_ASSERT_TRUE(test, claims_source(zone, pfn));
	compact_index_release(zone, pfn, COMPACT_BLOCK_SPOILED);
	left = (test_entry(pfn)->until - (u32)jiffies / COMPACT_PARK_JIFFIES) %
	       COMPACT_PARK_UNITS;
	release_all(zone);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_PARKED);
	KUNIT_EXPECT_FALSE(test, claims_source(zone, pfn));
	release_all(zone);
	return left;
}

static void failed_block_is_parked(struct kunit *test)
{
	unsigned int eighth = pageblock_nr_pages / 8, used = 2 * eighth + 8;
	unsigned long pfn = test_movable_block(test, used);
	struct zone *zone = page_zone(pfn_to_page(pfn));
	u32 first, second;

	first = spoil(test, pfn);
	test_free_pages(pfn, eighth + 7);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_PARKED);
	/* now seven eighths of it are free, of which five were when it was parked */
	test_free_pages(pfn + eighth + 7, 1);
	KUNIT_EXPECT_EQ(test, test_ring(pfn), COMPACT_RING_MOVABLE);
	second = spoil(test, pfn);
	KUNIT_EXPECT_GT(test, second, first);

	/* or the time has come */
	test_entry(pfn)->until = (u32)jiffies / COMPACT_PARK_JIFFIES;
	KUNIT_EXPECT_GT(test, spoil(test, pfn), second);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);

	/* or it was free as a whole */
	test_free_pages(pfn + eighth + 8, eighth);
	KUNIT_EXPECT_FALSE(test, test_entry(pfn)->parked);
	KUNIT_EXPECT_FALSE(test, test_entry(pfn)->failures);
}

/* Whatever others do: as many blocks as there are, and no more. */
static void two_runs_that_fail_both_end(struct kunit *test)
{
	unsigned long pfn = test_movable_block(test, 2), other = test_movable_block(test, 3);
	struct zone *zone = page_zone(pfn_to_page(pfn));
	unsigned long blocks = zone->spanned_pages / pageblock_nr_pages, nr = 0;
	u32 began = compact_index_begin(zone);
	struct compact_claim claim[2];
	bool more = claim_movable(zone, began, &claim[0]);

	KUNIT_ASSERT_TRUE(test, more);
	while (more && nr++ <= blocks) {
		more = claim_movable(zone, began, &claim[nr % 2]);
		compact_index_release(zone, claim[(nr + 1) % 2].block.start_pfn,
				      COMPACT_BLOCK_FAILED);
	}
	KUNIT_EXPECT_FALSE(test, more);
	release_all(zone);

	/* those that begin now may try them all */
	KUNIT_EXPECT_TRUE(test, claims_source(zone, pfn));
	release_all(zone);
	test_free_pages(pfn, 2);
	test_free_pages(other, 3);
}

/* A run that may not move all pages does not spoil it for those that may. */
static void who_may_do_more_tries_again(struct kunit *test)
{
	unsigned long pfn = test_movable_block(test, 2);
	struct zone *zone = page_zone(pfn_to_page(pfn));
	struct compact_wish wish = {
		.began = compact_index_begin(zone),
		.ring = COMPACT_RING_MOVABLE,
		.weak = true,
	};
	struct compact_claim claim;

	KUNIT_ASSERT_TRUE(test, compact_index_claim_source(zone, &wish, &claim));
	KUNIT_ASSERT_EQ(test, claim.block.start_pfn, pfn);
	compact_index_release(zone, pfn, COMPACT_BLOCK_PASSED);
	if (compact_index_claim_source(zone, &wish, &claim))
		KUNIT_EXPECT_NE(test, claim.block.start_pfn, pfn);

	wish.weak = false;
	KUNIT_ASSERT_TRUE(test, compact_index_claim_source(zone, &wish, &claim));
	KUNIT_EXPECT_EQ(test, claim.block.start_pfn, pfn);
	compact_index_release(zone, pfn, COMPACT_BLOCK_FAILED);
	if (compact_index_claim_source(zone, &wish, &claim))
		KUNIT_EXPECT_NE(test, claim.block.start_pfn, pfn);
	release_all(zone);
	test_free_pages(pfn, 2);
}

/* However many there are before them whose time has not come. */
static void all_parked_blocks_are_let_go(struct kunit *test)
{
	unsigned int nr, step = pageblock_nr_pages / 16;
	unsigned long pfn[12];
	struct compact_claim claim;
	struct zone *zone;
	u32 now;

	for (nr = 0; nr < ARRAY_SIZE(pfn); nr++)
		pfn[nr] = test_movable_block(test, (nr + 1) * step);
	zone = page_zone(pfn_to_page(pfn[0]));
	for (nr = 0; nr < ARRAY_SIZE(pfn); nr++) {
		KUNIT_ASSERT_TRUE(test, claims_source(zone, pfn[nr]));
		compact_index_release(zone, pfn[nr], COMPACT_BLOCK_SPOILED);
		release_all(zone);
	}
	now = (u32)jiffies / COMPACT_PARK_JIFFIES;
	for (nr = 0; nr < ARRAY_SIZE(pfn); nr++)
		test_entry(pfn[nr])->until = now + (nr < 9 ? 60 : 0);

	for (nr = 0; nr < 8; nr++) {
		if (claim_movable(zone, compact_index_begin(zone), &claim))
			compact_index_release(zone, claim.block.start_pfn,
					      COMPACT_BLOCK_AS_IT_IS);
	}
	for (nr = 0; nr < ARRAY_SIZE(pfn); nr++) {
		if (nr >= 9)
			KUNIT_EXPECT_FALSE(test, test_entry(pfn[nr])->parked);
		test_free_pages(pfn[nr], (nr + 1) * step);
	}
}

static struct kunit_case index_test_cases[] = {
	KUNIT_CASE(buckets_are_narrow),
	KUNIT_CASE(counts_follow_the_free_lists),
	KUNIT_CASE(isolation_keeps_the_count),
	KUNIT_CASE(isolated_block_is_not_filed),
	KUNIT_CASE(check_finds_a_lost_block),
	KUNIT_CASE(emptiest_is_claimed_once),
	KUNIT_CASE(fullest_is_target),
	KUNIT_CASE(full_block_is_the_last_source),
	KUNIT_CASE(failed_block_is_parked),
	KUNIT_CASE(two_runs_that_fail_both_end),
	KUNIT_CASE(who_may_do_more_tries_again),
	KUNIT_CASE(all_parked_blocks_are_let_go),
	{ }
};

static struct kunit_suite index_test_suite = {
	.name = "compaction-index",
	.suite_init = test_take_halves,
	.suite_exit = test_give_taken,
	.test_cases = index_test_cases,
};

kunit_test_suite(index_test_suite);

MODULE_LICENSE("GPL");
