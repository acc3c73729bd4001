// SPDX-License-Identifier: GPL-2.0
/* When is it of use to compact? Zones that are made up, one page to each side. */
#include "test_util.h"

#define ORDER		9
#define MIN_WMARK	1000
#define LOW_WMARK	2000

/* A zone with that many free pages, none of them with a buddy. */
static struct zone *zone_of_singles(struct kunit *test, unsigned long nr)
{
	struct zone *zone = test->priv;

	atomic_long_set(&zone->vm_stat[NR_FREE_PAGES], nr);
	zone->free_area[0].nr_free = nr;
	return zone;
}

static int suitable_test_init(struct kunit *test)
{
	struct zone *zone = kunit_kzalloc(test, sizeof(*zone), GFP_KERNEL);
	unsigned int order, type;

	KUNIT_ASSERT_NOT_NULL(test, zone);
	test->priv = zone;
	zone->_watermark[WMARK_MIN] = MIN_WMARK;
	zone->_watermark[WMARK_LOW] = LOW_WMARK;
	for (order = 0; order < MAX_ORDER; order++)
		for (type = 0; type < MIGRATE_TYPES; type++)
			INIT_LIST_HEAD(&zone->free_area[order].free_list[type]);
	return 0;
}

static enum compact_result suitable(struct zone *zone, int order)
{
	return compaction_suitable(zone, order, ALLOC_WMARK_MIN, 0);
}

static void whole_zone_always_is(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, suitable(zone_of_singles(test, 0), -1),
			COMPACT_CONTINUE);
}

/* Who asks is not counted; who would have compacted is. */
static void lack_of_room_is_counted(struct kunit *test)
{
	struct zone *zone = zone_of_singles(test, 0);

	suitable(zone, ORDER);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zone, COMPACT_FAIL_WATERMARK), 0);
	compact_verdict(zone, ORDER, ALLOC_WMARK_MIN, 0);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zone, COMPACT_FAIL_WATERMARK), 1);
}

static void room_is_above_the_min_watermark(struct kunit *test)
{
	static const int orders[] = { 3, ORDER };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		int order = orders[i];
		unsigned long enough = MIN_WMARK + compact_gap(order) + 1;

		KUNIT_EXPECT_EQ(test,
				suitable(zone_of_singles(test, enough), order),
				COMPACT_CONTINUE);
		KUNIT_EXPECT_EQ(test,
				suitable(zone_of_singles(test, enough - 1), order),
				COMPACT_SKIPPED);
	}
}

static void reserve_for_lower_zones_counts(struct kunit *test)
{
	struct zone *zone = zone_of_singles(test, 4 * LOW_WMARK);

	KUNIT_EXPECT_EQ(test, suitable(zone, ORDER), COMPACT_CONTINUE);
	zone->lowmem_reserve[0] = 3 * LOW_WMARK;
	KUNIT_EXPECT_EQ(test, suitable(zone, ORDER), COMPACT_SKIPPED);
}

static void nothing_to_do_if_the_page_is_there(struct kunit *test)
{
	struct zone *zone = zone_of_singles(test, 4 * LOW_WMARK);
	struct list_head entry;

	list_add(&entry, &zone->free_area[ORDER].free_list[MIGRATE_MOVABLE]);
	zone->free_area[ORDER].nr_free = 1;
	KUNIT_EXPECT_EQ(test, suitable(zone, ORDER), COMPACT_SUCCESS);
}

/*
 * 2^20 pages in pieces of 256: 1 - (1 + 2048) / 4096 = 0.5, which an index has
 * to exceed. Only orders that are costly are judged by it.
 */
static void threshold_is_for_costly_orders(struct kunit *test)
{
	struct zone *zone = zone_of_singles(test, 1UL << 20);
	int threshold = sysctl_extfrag_threshold;

	zone->free_area[0].nr_free = 0;
	zone->free_area[ORDER - 1].nr_free = 1UL << (20 - (ORDER - 1));
	KUNIT_ASSERT_EQ(test, fragmentation_index(zone, ORDER), 500);

	sysctl_extfrag_threshold = 500;
	KUNIT_EXPECT_EQ(test, suitable(zone, ORDER), COMPACT_SKIPPED);
	KUNIT_EXPECT_EQ(test, compact_verdict(zone, ORDER, ALLOC_WMARK_MIN, 0),
			COMPACT_SKIPPED);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zone, COMPACT_FAIL_THRESHOLD), 1);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zone, COMPACT_FAIL_WATERMARK), 0);
	sysctl_extfrag_threshold = 499;
	KUNIT_EXPECT_EQ(test, suitable(zone, ORDER), COMPACT_CONTINUE);
	sysctl_extfrag_threshold = threshold;

	/* the same for order 3, with the index at 0.5 */
	zone->free_area[ORDER - 1].nr_free = 0;
	zone->free_area[2].nr_free = 1UL << 18;
	KUNIT_ASSERT_LE(test, fragmentation_index(zone, 3), 500);
	KUNIT_EXPECT_EQ(test, suitable(zone, 3), COMPACT_CONTINUE);
}

/* Of what can be reclaimed, one part in ORDER is counted on. */
static void reclaim_may_make_room(struct kunit *test)
{
	struct zonelist *list = kunit_kzalloc(test, sizeof(*list), GFP_KERNEL);
	struct alloc_context ac = { .zonelist = list };
	struct zone *zone = zone_of_singles(test, MIN_WMARK);
	atomic_long_t *files = &zone->vm_stat[NR_ZONE_INACTIVE_FILE];
	unsigned long enough = ORDER * (compact_gap(ORDER) + 1);

	KUNIT_ASSERT_NOT_NULL(test, list);
	list->_zonerefs[0].zone = zone;

	atomic_long_set(files, enough - 1);
	KUNIT_EXPECT_FALSE(test, compaction_zonelist_suitable(&ac, ORDER,
							      ALLOC_WMARK_MIN));
	atomic_long_set(files, enough);
	KUNIT_EXPECT_TRUE(test, compaction_zonelist_suitable(&ac, ORDER,
							     ALLOC_WMARK_MIN));
}

static struct kunit_case suitable_test_cases[] = {
	KUNIT_CASE(reclaim_may_make_room),
	KUNIT_CASE(whole_zone_always_is),
	KUNIT_CASE(lack_of_room_is_counted),
	KUNIT_CASE(room_is_above_the_min_watermark),
	KUNIT_CASE(reserve_for_lower_zones_counts),
	KUNIT_CASE(nothing_to_do_if_the_page_is_there),
	KUNIT_CASE(threshold_is_for_costly_orders),
	{ }
};

static struct kunit_suite suitable_test_suite = {
	.name = "compaction-suitable",
	.init = suitable_test_init,
	.test_cases = suitable_test_cases,
};

kunit_test_suite(suitable_test_suite);
