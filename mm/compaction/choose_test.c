// SPDX-License-Identifier: GPL-2.0
/*
 * The choice of blocks: its geometry, where the ends meet, and what is passed
 * over. The zone is made up; its blocks are real and allocated whole, so that
 * their types can be set at will.
 */
#include <linux/sort.h>
#include "test_util.h"

#define NR_TRIES	32
#define NR_BLOCKS	4

struct choose_test {
	unsigned long tried[NR_TRIES];	/* first pfn of each block, sorted */
	unsigned int nr_tried;
	unsigned long start_pfn;	/* NR_BLOCKS blocks in a row */
	struct zone zone;
	struct compact_control cc;
};

static int by_pfn(const void *a, const void *b)
{
	unsigned long x = *(unsigned long *)a, y = *(unsigned long *)b;

	return x < y ? -1 : x > y;
}

static bool find_row(struct choose_test *ct)
{
	unsigned int i, row = 1;

	sort(ct->tried, ct->nr_tried, sizeof(ct->tried[0]), by_pfn, NULL);
	for (i = 1; i < ct->nr_tried && row < NR_BLOCKS; i++) {
		if (ct->tried[i] == ct->tried[i - 1] + pageblock_nr_pages)
			row++;
		else
			row = 1;
	}
	if (row < NR_BLOCKS)
		return false;

	ct->start_pfn = ct->tried[i - NR_BLOCKS];
	return true;
}

static unsigned long nth_block(struct choose_test *ct, unsigned int n)
{
	return ct->start_pfn + n * pageblock_nr_pages;
}

static void set_type(struct choose_test *ct, unsigned int n, int migratetype)
{
	set_pageblock_migratetype(pfn_to_page(nth_block(ct, n)), migratetype);
}

static int choose_test_init(struct kunit *test)
{
	struct choose_test *ct = kunit_kzalloc(test, sizeof(*ct), GFP_KERNEL);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, ct);
	test->priv = ct;
	for (; ct->nr_tried < NR_TRIES; ct->nr_tried++)
		ct->tried[ct->nr_tried] = test_alloc_block(test);
	KUNIT_ASSERT_TRUE_MSG(test, find_row(ct),
			      "no %d free blocks in a row", NR_BLOCKS);
	for (n = 0; n < NR_BLOCKS; n++)
		set_type(ct, n, MIGRATE_MOVABLE);

	ct->zone.contiguous = true;
	return 0;
}

static void choose_test_exit(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned int n;

	if (!ct)
		return;
	for (n = 0; ct->start_pfn && n < NR_BLOCKS; n++)
		set_type(ct, n, MIGRATE_MOVABLE);
	while (ct->nr_tried)
		test_free_block(ct->tried[--ct->nr_tried]);
}

/* A zone of @nr pages that begins @skip pages after the first block. */
static struct compact_control *begin(struct choose_test *ct, unsigned long skip,
				     unsigned long nr)
{
	ct->zone.zone_start_pfn = ct->start_pfn + skip;
	ct->zone.spanned_pages = nr;
	ct->cc = (struct compact_control) {
		.zone = &ct->zone,
		.order = -1,
		.mode = MIGRATE_SYNC,
		.policy = &compact_linear,
	};
	compact_linear.begin(&ct->cc);
	return &ct->cc;
}

/* The same, with no run before it. */
static struct compact_control *begin_anew(struct choose_test *ct,
					  unsigned long skip, unsigned long nr)
{
	memset(&ct->zone.compaction, 0, sizeof(ct->zone.compaction));
	return begin(ct, skip, nr);
}

static void expect_source(struct kunit *test, struct compact_control *cc,
			  unsigned long start, unsigned long end)
{
	KUNIT_ASSERT_TRUE(test, cc->policy->next_source(cc));
	KUNIT_EXPECT_EQ(test, cc->source.start_pfn, start);
	KUNIT_EXPECT_EQ(test, cc->source.end_pfn, end);
}

static void expect_target(struct kunit *test, struct compact_control *cc,
			  unsigned long start, unsigned long end)
{
	KUNIT_ASSERT_TRUE(test, cc->policy->next_target(cc));
	KUNIT_EXPECT_EQ(test, cc->target.start_pfn, start);
	KUNIT_EXPECT_EQ(test, cc->target.end_pfn, end);
}

static void expect_end(struct kunit *test, struct compact_control *cc)
{
	KUNIT_EXPECT_FALSE(test, cc->policy->next_source(cc));
	KUNIT_EXPECT_FALSE(test, cc->policy->next_target(cc));
}

static void linear_ends_meet(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_end(test, cc);
}

static void linear_targets_run_out(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_target(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_end(test, cc);
}

static void linear_sources_run_out(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, 2 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_end(test, cc);
}

static void linear_one_block(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_end(test, cc);
}

static void linear_no_block(struct kunit *test)
{
	struct choose_test *ct = test->priv;

	expect_end(test, begin(ct, 0, 0));
}

static void linear_unaligned_zone(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 5, 3 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0) + 5, nth_block(ct, 1));
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 3) + 5);
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_end(test, cc);
}

/* A zone that lies within one pageblock, touching neither of its ends. */
static void linear_part_of_a_block(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 7, 9);

	expect_source(test, cc, nth_block(ct, 0) + 7, nth_block(ct, 0) + 16);
	expect_end(test, cc);
}

static void linear_passes_over_types(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 0, MIGRATE_UNMOVABLE);
	set_type(ct, 3, MIGRATE_RECLAIMABLE);
	cc = begin(ct, 0, 4 * pageblock_nr_pages);

	/* movable pages leave the unmovable block; none go to either */
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_target(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_end(test, cc);
}

#ifdef CONFIG_MEMORY_ISOLATION
static void linear_leaves_isolated_blocks(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 0, MIGRATE_ISOLATE);
	set_type(ct, 3, MIGRATE_ISOLATE);
	cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_end(test, cc);
}
#endif

/* Who waits for nobody stays with blocks of the type that is wanted. */
static void linear_async_keeps_to_the_type(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 0, MIGRATE_UNMOVABLE);
	cc = begin_anew(ct, 0, 4 * pageblock_nr_pages);
	cc->order = 3;
	cc->migratetype = MIGRATE_MOVABLE;
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));

	cc = begin_anew(ct, 0, 4 * pageblock_nr_pages);
	cc->order = 3;
	cc->mode = MIGRATE_ASYNC;
	cc->migratetype = MIGRATE_MOVABLE;
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));

	cc = begin_anew(ct, 0, 4 * pageblock_nr_pages);
	cc->order = 3;
	cc->mode = MIGRATE_ASYNC;
	cc->migratetype = MIGRATE_UNMOVABLE;
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	KUNIT_EXPECT_FALSE(test, cc->policy->next_source(cc));
}

static void linear_last_resort_fills_any_type(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 2, MIGRATE_HIGHATOMIC);
	set_type(ct, 3, MIGRATE_UNMOVABLE);
	cc = begin(ct, 0, 4 * pageblock_nr_pages);
	cc->any_target = true;
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	expect_target(test, cc, nth_block(ct, 1), nth_block(ct, 2));
}

/* A run that ended early leaves its place to the next of its kind. */
static void linear_goes_on(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned long size = 4 * pageblock_nr_pages;
	struct compact_control *cc = begin(ct, 0, size);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	KUNIT_EXPECT_FALSE(test, cc->policy->end(cc));

	/* the target had something left */
	cc = begin(ct, 0, size);
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	cc->target.start_pfn = cc->target.end_pfn;
	KUNIT_EXPECT_FALSE(test, cc->policy->end(cc));

	/* now it has not, and the source was finished */
	cc = begin(ct, 0, size);
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	cc->target.start_pfn = cc->target.end_pfn;
	expect_end(test, cc);
	/* the ends have met, but not all blocks had their turn in this run */
	KUNIT_EXPECT_FALSE(test, cc->policy->end(cc));

	cc = begin(ct, 0, size);
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
}

/* Where one kind of run has gone over the whole zone, both begin anew. */
static void linear_begins_anew_for_both(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned long size = 4 * pageblock_nr_pages;
	struct compact_control *cc = begin(ct, 0, size);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	KUNIT_EXPECT_FALSE(test, cc->policy->end(cc));

	cc = begin(ct, 0, size);
	cc->mode = MIGRATE_ASYNC;
	cc->policy->begin(cc);
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	KUNIT_EXPECT_TRUE(test, cc->policy->end(cc));

	cc = begin(ct, 0, size);
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
}

/* A run that is overtaken by a new beginning neither follows it nor leads it. */
static void linear_ends_alone(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned long size = 4 * pageblock_nr_pages;
	struct compact_control late = *begin(ct, 0, size);
	struct compact_control *cc = &ct->cc;

	expect_source(test, &late, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, &late, nth_block(ct, 1), nth_block(ct, 2));

	memset(&ct->zone.compaction, 0, sizeof(ct->zone.compaction));
	cc = begin(ct, 0, size);
	expect_source(test, &late, nth_block(ct, 2), nth_block(ct, 3));
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, &late, nth_block(ct, 3), nth_block(ct, 4));
	late.policy->end(&late);
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
}

/* Two runs at once share the zone and not a block of it. */
static void linear_runs_keep_apart(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned long size = 4 * pageblock_nr_pages;
	struct compact_control other = *begin(ct, 0, size);
	struct compact_control *cc = begin(ct, 0, size);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, &other, nth_block(ct, 1), nth_block(ct, 2));
	expect_source(test, cc, nth_block(ct, 2), nth_block(ct, 3));
	expect_source(test, cc, nth_block(ct, 3), nth_block(ct, 4));
	expect_end(test, cc);
	/* not all blocks were its own */
	KUNIT_EXPECT_FALSE(test, cc->policy->end(cc));
}

/* A block that was left in the middle is finished first, if nobody else did. */
static void linear_returns_to_a_block(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	unsigned long size = 4 * pageblock_nr_pages;
	struct compact_control *cc = begin(ct, 0, size);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	cc->migrate_pfn = nth_block(ct, 0) + 8;
	cc->policy->end(cc);

	cc = begin(ct, 0, size);
	expect_source(test, cc, nth_block(ct, 0) + 8, nth_block(ct, 1));
	cc->migrate_pfn = nth_block(ct, 1);
	cc->policy->end(cc);

	cc = begin(ct, 0, size);
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
}

static void linear_says_when_all_is_done(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_end(test, cc);
	KUNIT_EXPECT_TRUE(test, cc->policy->end(cc));
}

/* What was noted for the zone as it was is of no use once it has changed. */
static void linear_survives_a_zone_that_changes(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_source(test, cc, nth_block(ct, 1), nth_block(ct, 2));
	cc->policy->end(cc);

	cc = begin(ct, 0, pageblock_nr_pages);
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	expect_end(test, cc);
}

static void linear_begins_anew_if_told_to(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
	cc->policy->end(cc);

	cc = begin(ct, 0, 4 * pageblock_nr_pages);
	cc->from_the_ends = true;
	cc->policy->begin(cc);
	expect_source(test, cc, nth_block(ct, 0), nth_block(ct, 1));
}

static void linear_spares_atomic_reserve(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 3, MIGRATE_HIGHATOMIC);
	cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_target(test, cc, nth_block(ct, 2), nth_block(ct, 3));
}

#ifdef CONFIG_CMA
static void linear_fills_cma(struct kunit *test)
{
	struct choose_test *ct = test->priv;
	struct compact_control *cc;

	set_type(ct, 3, MIGRATE_CMA);
	cc = begin(ct, 0, 4 * pageblock_nr_pages);

	expect_target(test, cc, nth_block(ct, 3), nth_block(ct, 4));
}
#endif

/* Wholly free: nothing to gain on either side. All of it was freed at once. */
static void linear_leaves_free_blocks(struct kunit *test)
{
	struct compact_control *cc = kunit_kzalloc(test, sizeof(*cc),
						   GFP_KERNEL);
	unsigned long pfn = test_alloc_block(test);
	struct compact_block block = { pfn, pfn + pageblock_nr_pages };

	KUNIT_ASSERT_NOT_NULL(test, cc);
	test_init_control(cc, pfn);
	set_pageblock_migratetype(pfn_to_page(pfn), MIGRATE_MOVABLE);
	KUNIT_EXPECT_TRUE(test, compact_source_suitable(cc, &block));
	KUNIT_EXPECT_TRUE(test, compact_target_suitable(cc, &block));

	test_free_pages(pfn, pageblock_nr_pages);
	KUNIT_ASSERT_EQ(test, test_count_free(pfn, block.end_pfn),
			pageblock_nr_pages);
	KUNIT_EXPECT_FALSE(test, compact_source_suitable(cc, &block));
	KUNIT_EXPECT_FALSE(test, compact_target_suitable(cc, &block));
}

static void linear_leaves_huge_pages(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP,
					pageblock_order);
	struct compact_control *cc = kunit_kzalloc(test, sizeof(*cc),
						   GFP_KERNEL);
	struct compact_block block;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, cc);
	set_pageblock_migratetype(page, MIGRATE_MOVABLE);
	block.start_pfn = page_to_pfn(page);
	block.end_pfn = block.start_pfn + pageblock_nr_pages;
	test_init_control(cc, block.start_pfn);
	KUNIT_EXPECT_FALSE(test, compact_source_suitable(cc, &block));
	KUNIT_EXPECT_FALSE(test, compact_target_suitable(cc, &block));
	__free_pages(page, pageblock_order);
}

static struct kunit_case choose_test_cases[] = {
	KUNIT_CASE(linear_ends_meet),
	KUNIT_CASE(linear_targets_run_out),
	KUNIT_CASE(linear_sources_run_out),
	KUNIT_CASE(linear_one_block),
	KUNIT_CASE(linear_no_block),
	KUNIT_CASE(linear_unaligned_zone),
	KUNIT_CASE(linear_part_of_a_block),
	KUNIT_CASE(linear_passes_over_types),
	KUNIT_CASE(linear_async_keeps_to_the_type),
	KUNIT_CASE(linear_last_resort_fills_any_type),
	KUNIT_CASE(linear_goes_on),
	KUNIT_CASE(linear_begins_anew_for_both),
	KUNIT_CASE(linear_ends_alone),
	KUNIT_CASE(linear_runs_keep_apart),
	KUNIT_CASE(linear_returns_to_a_block),
	KUNIT_CASE(linear_says_when_all_is_done),
	KUNIT_CASE(linear_survives_a_zone_that_changes),
	KUNIT_CASE(linear_begins_anew_if_told_to),
#ifdef CONFIG_MEMORY_ISOLATION
	KUNIT_CASE(linear_leaves_isolated_blocks),
#endif
	KUNIT_CASE(linear_spares_atomic_reserve),
#ifdef CONFIG_CMA
	KUNIT_CASE(linear_fills_cma),
#endif
	KUNIT_CASE(linear_leaves_free_blocks),
	KUNIT_CASE(linear_leaves_huge_pages),
	{ }
};

static struct kunit_suite choose_test_suite = {
	.name = "compaction-choose",
	.init = choose_test_init,
	.exit = choose_test_exit,
	.test_cases = choose_test_cases,
};

kunit_test_suite(choose_test_suite);
