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

static struct compact_entry *entry_at(unsigned long pfn)
{
	return compact_entry(page_zone(pfn_to_page(pfn)), pfn);
}

static enum compact_ring ring_at(unsigned long pfn)
{
	return entry_at(pfn)->ring;
}

/* The pages change lists, whole blocks at a time, and stay where they are. */
static void isolation_keeps_the_count(struct kunit *test)
{
	unsigned long pfn = test_alloc_block(test);
	unsigned long end = pfn + pageblock_nr_pages;
	struct zone *zone = page_zone(pfn_to_page(pfn));
	int type = get_pageblock_migratetype(pfn_to_page(pfn));

	test_free_pages(pfn, 10);
	KUNIT_EXPECT_EQ(test, entry_at(pfn)->free, 10);
	KUNIT_EXPECT_NE(test, ring_at(pfn), COMPACT_RING_NONE);

	test_free_pages(pfn + 10, pageblock_nr_pages - 10);
	KUNIT_EXPECT_EQ(test, entry_at(pfn)->free, pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, ring_at(pfn), COMPACT_RING_NONE);
	KUNIT_ASSERT_EQ(test, start_isolate_page_range(pfn, end, type, 0,
						       GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	undo_isolate_page_range(pfn, end, type);
	KUNIT_EXPECT_EQ(test, entry_at(pfn)->free, pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
}

/* Nearly empty, so that it is chosen before any other. */
static unsigned long movable_block(struct kunit *test, unsigned int used)
{
	unsigned long pfn = test_alloc_block(test);

	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
	test_free_pages(pfn + used, pageblock_nr_pages - used);
	return pfn;
}

/* All under the lock, since no page of it is on the list of isolated ones. */
static void isolated_block_is_not_filed(struct kunit *test)
{
	unsigned long pfn = movable_block(test, 2), flags;
	struct zone *zone = page_zone(pfn_to_page(pfn));
	enum compact_ring isolated, again;

	spin_lock_irqsave(&zone->lock, flags);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_ISOLATE);
	compact_index_retype(zone, pfn);
	isolated = ring_at(pfn);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
	compact_index_retype(zone, pfn);
	again = ring_at(pfn);
	spin_unlock_irqrestore(&zone->lock, flags);

	KUNIT_EXPECT_EQ(test, isolated, COMPACT_RING_NONE);
	KUNIT_EXPECT_EQ(test, again, COMPACT_RING_MOVABLE);
	test_free_pages(pfn, 2);
}

static int claim_movable(struct zone *zone, struct compact_block *block)
{
	const struct compact_wish wish = {
		.run = compact_index_run(),
		.began = (u32)jiffies,
		.ring = COMPACT_RING_MOVABLE,
	};

	return compact_index_claim_source(zone, &wish, block);
}

/* Blocks that a test claims until it has its own; the others are given back. */
static bool claims_source(struct zone *zone, unsigned long pfn)
{
	struct compact_block block;
	bool found = false;
	int ret;

	while (!found) {
		ret = claim_movable(zone, &block);
		if (ret == -ENOENT)
			break;
		found = ret > 0 && block.start_pfn == pfn;
	}
	return found;
}

static void release_all(struct zone *zone, unsigned long but)
{
	unsigned long pfn;

	for (pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone);
	     pfn = pageblock_end_pfn(pfn))
		if (ring_at(pfn) == COMPACT_RING_CLAIMED &&
		    pageblock_start_pfn(pfn) != but)
			compact_index_release(zone, pfn, COMPACT_BLOCK_AS_IT_IS, 0);
}

static void emptiest_is_claimed_once(struct kunit *test)
{
	unsigned long near = movable_block(test, 2), far = movable_block(test, 7);
	struct zone *zone = page_zone(pfn_to_page(near));
	struct compact_block block;
	int free;

	free = claim_movable(zone, &block);
	KUNIT_EXPECT_EQ(test, free, pageblock_nr_pages - 2);
	KUNIT_EXPECT_EQ(test, block.start_pfn, near);
	KUNIT_EXPECT_TRUE(test, claims_source(zone, far));
	KUNIT_EXPECT_FALSE(test, claims_source(zone, near));

	release_all(zone, 0);
	KUNIT_EXPECT_TRUE(test, claims_source(zone, near));
	release_all(zone, 0);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	test_free_pages(near, 2);
	test_free_pages(far, 7);
}

/* Both are in one bucket, and one of them has more free pages than are allowed. */
static void fullest_is_target(struct kunit *test)
{
	unsigned int used = pageblock_nr_pages - 16, less = used - 8;
	unsigned long full = movable_block(test, used);
	unsigned long over = movable_block(test, less);
	struct zone *zone = page_zone(pfn_to_page(full));
	bool found = false;
	struct compact_block block;
	int free;

	while ((free = compact_index_claim_target(zone, 16, &block)) > 0) {
		if (!entry_at(block.start_pfn)->parked)
			KUNIT_EXPECT_LE(test, free, 16);
		KUNIT_EXPECT_NE(test, block.start_pfn, over);
		found |= block.start_pfn == full;
	}
	KUNIT_EXPECT_EQ(test, free, -ENOENT);
	KUNIT_EXPECT_TRUE(test, found);
	release_all(zone, 0);
	test_free_pages(full, used);
	test_free_pages(over, less);
}

/* For how long? It must not be claimed by anybody meanwhile. */
static u32 spoil(struct kunit *test, unsigned long pfn)
{
	struct zone *zone = page_zone(pfn_to_page(pfn));
	u32 left;

	KUNIT_ASSERT_TRUE(test, claims_source(zone, pfn));
	compact_index_release(zone, pfn, COMPACT_BLOCK_SPOILED, 0);
	left = entry_at(pfn)->until - (u32)jiffies;
	release_all(zone, 0);
	KUNIT_EXPECT_FALSE(test, claims_source(zone, pfn));
	release_all(zone, 0);
	return left;
}

static void failed_block_is_parked(struct kunit *test)
{
	unsigned int used = pageblock_nr_pages / 4 + 8;
	unsigned long pfn = movable_block(test, used);
	struct zone *zone = page_zone(pfn_to_page(pfn));
	u32 first, second;

	first = spoil(test, pfn);
	/* an eighth of it is free more than before, if counted from the end */
	test_free_pages(pfn, 8);
	second = spoil(test, pfn);
	KUNIT_EXPECT_GT(test, second, first);
	test_free_pages(pfn + 8, pageblock_nr_pages / 8);
	KUNIT_EXPECT_GT(test, spoil(test, pfn), second);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);

	/* or the time has come */
	entry_at(pfn)->until = (u32)jiffies;
	KUNIT_EXPECT_TRUE(test, claims_source(zone, pfn));
	release_all(zone, 0);
	used -= pageblock_nr_pages / 8 + 8;
	test_free_pages(pfn + pageblock_nr_pages / 8 + 8, used);
}

/* Its time may come while the run goes on. */
static void run_leaves_what_it_has_parked(struct kunit *test)
{
	unsigned long pfn = movable_block(test, 2);
	struct zone *zone = page_zone(pfn_to_page(pfn));
	struct compact_wish wish = {
		.run = compact_index_run(),
		.began = (u32)jiffies,
		.ring = COMPACT_RING_MOVABLE,
	};
	struct compact_block block;

	KUNIT_ASSERT_GT(test, compact_index_claim_source(zone, &wish, &block), 0);
	KUNIT_ASSERT_EQ(test, block.start_pfn, pfn);
	compact_index_release(zone, pfn, COMPACT_BLOCK_SPOILED, wish.run);
	schedule_timeout_uninterruptible(entry_at(pfn)->until - (u32)jiffies + 1);

	while (compact_index_claim_source(zone, &wish, &block) > 0)
		KUNIT_EXPECT_NE(test, block.start_pfn, pfn);
	release_all(zone, 0);
	KUNIT_EXPECT_TRUE(test, claims_source(zone, pfn));
	release_all(zone, 0);
	test_free_pages(pfn, 2);
}

static struct kunit_case index_test_cases[] = {
	KUNIT_CASE(buckets_are_narrow),
	KUNIT_CASE(counts_follow_the_free_lists),
	KUNIT_CASE(isolation_keeps_the_count),
	KUNIT_CASE(isolated_block_is_not_filed),
	KUNIT_CASE(emptiest_is_claimed_once),
	KUNIT_CASE(fullest_is_target),
	KUNIT_CASE(failed_block_is_parked),
	KUNIT_CASE(run_leaves_what_it_has_parked),
	{ }
};

static struct kunit_suite index_test_suite = {
	.name = "compaction-index",
	.test_cases = index_test_cases,
};

kunit_test_suite(index_test_suite);

MODULE_LICENSE("GPL");
