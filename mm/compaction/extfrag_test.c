// SPDX-License-Identifier: GPL-2.0
/*
 * The indices, against figures worked out by hand. The zones are made up: all
 * that is read of them is the number of free pages of each order.
 */
#include "extfrag.h"
#include "test_util.h"

static int extfrag_test_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct zone), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

static struct zone *zone_with(struct kunit *test, unsigned int order,
			      unsigned long nr)
{
	struct zone *zone = test->priv;

	zone->free_area[order].nr_free = nr;
	return zone;
}

static unsigned int unusable(struct zone *zone, unsigned int order)
{
	struct free_summary free;

	compact_count_free(zone, order, &free);
	return compact_unusable_index(&free);
}

static void zone_without_free_pages(struct kunit *test)
{
	struct zone *zone = test->priv;
	unsigned int order;

	for (order = 0; order < MAX_ORDER; order++) {
		KUNIT_EXPECT_EQ(test, fragmentation_index(zone, order), 0);
		KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, order), 0);
		KUNIT_EXPECT_EQ(test, unusable(zone, order), 1000);
	}
}

/* 100 pages in 100 pieces, 16 wanted: 1 - (1 + 100 / 16) / 100 = 0.9275 */
static void zone_in_pieces(struct kunit *test)
{
	struct zone *zone = zone_with(test, 0, 100);

	KUNIT_EXPECT_EQ(test, fragmentation_index(zone, 0), -1000);
	KUNIT_EXPECT_EQ(test, fragmentation_index(zone, 4), 928);
	KUNIT_EXPECT_EQ(test, unusable(zone, 0), 0);
	KUNIT_EXPECT_EQ(test, unusable(zone, 4), 1000);
	KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, 4), 100);
}

/* 8 pages in 2 pieces, 16 wanted: 1 - (1 + 8 / 16) / 2 = 0.25 */
static void zone_that_lacks_memory(struct kunit *test)
{
	struct zone *zone = zone_with(test, 2, 2);

	KUNIT_EXPECT_EQ(test, fragmentation_index(zone, 4), 250);
}

/* A single piece too small holds all there is: lack of memory and no more. */
static void index_is_never_below_zero(struct kunit *test)
{
	struct zone *zone = zone_with(test, MAX_ORDER - 2, 1);

	KUNIT_EXPECT_EQ(test, fragmentation_index(zone, MAX_ORDER - 1), 0);
}

/* 64 pages in one piece and 192 alone: of order 6, 3/4 cannot be used. */
static void zone_half_usable(struct kunit *test)
{
	struct zone *zone = zone_with(test, 0, 192);

	zone_with(test, 6, 1);
	KUNIT_EXPECT_EQ(test, fragmentation_index(zone, 6), -1000);
	KUNIT_EXPECT_EQ(test, unusable(zone, 6), 750);
	KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, 6), 75);
	/* the piece of order 6 serves smaller orders whole */
	KUNIT_EXPECT_EQ(test, unusable(zone, 3), 750);
	KUNIT_EXPECT_EQ(test, unusable(zone, 7), 1000);
}

/* 2^40 pages: neither the products nor the sums overflow. */
static void zone_of_four_pebibytes(struct kunit *test)
{
#ifdef CONFIG_64BIT
	unsigned int last = MAX_ORDER - 1, order;
	struct zone *zone = zone_with(test, 0, 1UL << 40);

	for (order = 1; order < MAX_ORDER; order++) {
		KUNIT_EXPECT_EQ(test, fragmentation_index(zone, order),
				1000 - 1000 / (1 << order));
		KUNIT_EXPECT_EQ(test, unusable(zone, order), 1000);
		KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, order), 100);
	}

	zone_with(test, 0, 0);
	zone_with(test, last, 1UL << (40 - last));
	for (order = 0; order < MAX_ORDER; order++) {
		KUNIT_EXPECT_EQ(test, fragmentation_index(zone, order), -1000);
		KUNIT_EXPECT_EQ(test, unusable(zone, order), 0);
		KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, order), 0);
	}

	/* half of 2^41 pages */
	zone_with(test, 0, 1UL << 40);
	KUNIT_EXPECT_EQ(test, unusable(zone, 1), 500);
	KUNIT_EXPECT_EQ(test, extfrag_for_order(zone, 1), 50);
#else
	kunit_skip(test, "no such zone with 32 bits");
#endif
}

static struct kunit_case extfrag_test_cases[] = {
	KUNIT_CASE(zone_without_free_pages),
	KUNIT_CASE(zone_in_pieces),
	KUNIT_CASE(zone_that_lacks_memory),
	KUNIT_CASE(index_is_never_below_zero),
	KUNIT_CASE(zone_half_usable),
	KUNIT_CASE(zone_of_four_pebibytes),
	{ }
};

static struct kunit_suite extfrag_test_suite = {
	.name = "compaction-extfrag",
	.init = extfrag_test_init,
	.test_cases = extfrag_test_cases,
};

kunit_test_suite(extfrag_test_suite);
