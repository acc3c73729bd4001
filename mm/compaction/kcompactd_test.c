// SPDX-License-Identifier: GPL-2.0
/* The score that the daemon works by, and the limits that the knob sets. */
#include "test_util.h"

static void knob_sets_the_limits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, compact_score_to_reach(20), 80);
	KUNIT_EXPECT_EQ(test, compact_score_to_begin(20), 90);
	/* however much is wished for, not to the last bit */
	KUNIT_EXPECT_EQ(test, compact_score_to_reach(100), 5);
	KUNIT_EXPECT_EQ(test, compact_score_to_begin(100), 15);
	/* a score can be no more than 100 */
	KUNIT_EXPECT_EQ(test, compact_score_to_reach(1), 99);
	KUNIT_EXPECT_EQ(test, compact_score_to_begin(1), 100);
}

static void set_zone(pg_data_t *pgdat, int i, unsigned long present,
		     unsigned long singles, unsigned long largest)
{
	struct zone *zone = &pgdat->node_zones[i];

	zone->present_pages = present;
	zone->free_area[0].nr_free = singles;
	zone->free_area[MAX_ORDER - 1].nr_free = largest;
	pgdat->node_present_pages += present;
}

static void zones_count_by_their_size(struct kunit *test)
{
	pg_data_t *pgdat = kunit_kzalloc(test, sizeof(*pgdat), GFP_KERNEL);
	unsigned long block = 1UL << (MAX_ORDER - 1);

	KUNIT_ASSERT_NOT_NULL(test, pgdat);
	KUNIT_ASSERT_GE(test, MAX_NR_ZONES, 2);
	KUNIT_EXPECT_EQ(test, compact_node_score(pgdat), 0);

	/* half of what is free in the large zone, all in the small one */
	set_zone(pgdat, 0, 30 * block, 5 * block, 5);
	KUNIT_EXPECT_EQ(test, compact_node_score(pgdat), 49);
	set_zone(pgdat, 1, 10 * block, block, 0);
	KUNIT_EXPECT_EQ(test, compact_node_score(pgdat), 62);
}

static struct kunit_case kcompactd_test_cases[] = {
	KUNIT_CASE(knob_sets_the_limits),
	KUNIT_CASE(zones_count_by_their_size),
	{ }
};

static struct kunit_suite kcompactd_test_suite = {
	.name = "compaction-kcompactd",
	.test_cases = kcompactd_test_cases,
};

kunit_test_suite(kcompactd_test_suite);
