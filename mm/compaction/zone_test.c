// SPDX-License-Identifier: GPL-2.0
/*
 * Whole runs over a real zone that has been scattered with the pages of a file:
 * the file's contents stay, free memory comes together, and nothing is lost.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include "test_util.h"

#define NR_PAGES	8192

struct zone_test {
	struct compact_control cc;
	struct file *file;
	struct zone *zone;
	unsigned long *pfn;		/* where each page was, 0 if not kept */
};

static u32 pattern(pgoff_t index)
{
	return index * 2654435761u + 1;
}

static void fill(struct kunit *test, struct zone_test *zt, pgoff_t index)
{
	struct page *page = test_file_page(test, zt->file, index);
	u32 *word = kmap_local_page(page);

	memset32(word, pattern(index), PAGE_SIZE / sizeof(u32));
	kunmap_local(word);
	set_page_dirty(page);
	zt->pfn[index] = page_to_pfn(page);
}

static bool holds(struct kunit *test, struct zone_test *zt, pgoff_t index)
{
	struct page *page = test_file_page(test, zt->file, index);
	u32 *word = kmap_local_page(page);
	bool same = word[0] == pattern(index) &&
		    !memcmp(word, word + 1, PAGE_SIZE - sizeof(u32));

	kunmap_local(word);
	return same;
}

static int zone_test_init(struct kunit *test)
{
	struct zone_test *zt = kunit_kzalloc(test, sizeof(*zt), GFP_KERNEL);
	pgoff_t i;

	KUNIT_ASSERT_NOT_NULL(test, zt);
	test->priv = zt;
	/* what the daemon has in hand would be taken for ours */
	kcompactd_stop(numa_node_id());
	zt->pfn = kvcalloc(NR_PAGES, sizeof(*zt->pfn), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, zt->pfn);
	zt->file = shmem_kernel_file_setup("compaction", NR_PAGES * PAGE_SIZE,
					   0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(zt->file));

	for (i = 0; i < NR_PAGES; i++)
		fill(test, zt, i);
	zt->zone = page_zone(pfn_to_page(zt->pfn[0]));

	/* every other page goes, so that no two free pages merge */
	for (i = 0; i < NR_PAGES; i += 2) {
		shmem_truncate_range(file_inode(zt->file), i * PAGE_SIZE,
				     (i + 1) * PAGE_SIZE - 1);
		zt->pfn[i] = 0;
	}
	drain_all_pages(zt->zone);
	test_init_control(&zt->cc, zt->pfn[1]);
	return 0;
}

static void zone_test_exit(struct kunit *test)
{
	struct zone_test *zt = test->priv;

	if (!zt)
		return;
	kcompactd_run(numa_node_id());
	if (!IS_ERR_OR_NULL(zt->file))
		test_put_file(zt->file);
	kvfree(zt->pfn);
}

/* Free memory of the zone that is not part of a free pageblock. */
static unsigned long scattered(struct zone *zone)
{
	unsigned long nr = 0;
	unsigned int order;

	for (order = 0; order < pageblock_order; order++)
		nr += zone->free_area[order].nr_free << order;
	return nr;
}

/* All contents hold. Returns how many pages are elsewhere than before. */
static unsigned long check_contents(struct kunit *test, struct zone_test *zt)
{
	unsigned long moved = 0, bad = 0;
	pgoff_t i;

	for (i = 1; i < NR_PAGES; i += 2) {
		struct page *page = test_file_page(test, zt->file, i);

		moved += page_to_pfn(page) != zt->pfn[i];
		bad += !holds(test, zt, i);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
	return moved;
}

static void check_nothing_in_hand(struct kunit *test, struct zone_test *zt)
{
	unsigned int order;

	KUNIT_EXPECT_TRUE(test, list_empty(&zt->cc.migratepages));
	KUNIT_EXPECT_TRUE(test, list_empty(&zt->cc.spare));
	for (order = 0; order < MAX_ORDER; order++)
		KUNIT_EXPECT_TRUE(test, list_empty(&zt->cc.freepages[order]));
	KUNIT_EXPECT_EQ(test, zt->cc.nr_freepages, 0);
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), 0);
}

static void run_compacts_the_zone(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	unsigned long before, after, moved;
	long free;

	before = scattered(zt->zone);
	free = zone_page_state_snapshot(zt->zone, NR_FREE_PAGES);
	KUNIT_ASSERT_GE(test, before, NR_PAGES / 2);

	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_COMPLETE);
	drain_all_pages(zt->zone);
	after = scattered(zt->zone);
	moved = check_contents(test, zt);
	kunit_info(test, "scattered: %lu before, %lu after; %lu moved\n",
		   before, after, moved);

	check_nothing_in_hand(test, zt);
	/* most of the holes are now whole blocks */
	KUNIT_EXPECT_LE(test, after, before - NR_PAGES / 4);
	KUNIT_EXPECT_GE(test, moved, NR_PAGES / 8);
	/* the machine does little else meanwhile */
	free -= zone_page_state_snapshot(zt->zone, NR_FREE_PAGES);
	KUNIT_EXPECT_LE(test, abs(free), 256L);
}

static bool first_block_only(struct compact_control *cc)
{
	struct zone_test *zt = container_of(cc, struct zone_test, cc);

	if (cc->source.end_pfn)
		return false;
	cc->source.start_pfn = pageblock_start_pfn(zt->pfn[1]);
	cc->source.end_pfn = pageblock_end_pfn(zt->pfn[1]);
	return true;
}

static bool no_target(struct compact_control *cc)
{
	return false;
}

static void nothing_to_begin(struct compact_control *cc)
{
}

static bool all_blocks_done(struct compact_control *cc)
{
	return true;
}

static const struct compact_policy nowhere_policy = {
	.begin		= nothing_to_begin,
	.next_source	= first_block_only,
	.next_target	= no_target,
	.end		= all_blocks_done,
};

/* Pages that the zone counts for a reason. */
static long failed_pages(struct zone_test *zt, enum compact_failure why)
{
	return atomic_long_read(&zt->zone->compaction.failures[why].pages);
}

/* Without a target, what was isolated returns to its list. */
static void run_without_target_changes_nothing(struct kunit *test)
{
	struct zone_test *zt = test->priv;

	long pages = failed_pages(zt, COMPACT_FAIL_TARGET);
	long runs = test_runs_failed(zt->zone, COMPACT_FAIL_TARGET);

	zt->cc.policy = &nowhere_policy;
	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_COMPLETE);
	KUNIT_EXPECT_GT(test, failed_pages(zt, COMPACT_FAIL_TARGET), pages);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zt->zone, COMPACT_FAIL_TARGET), runs + 1);
	check_nothing_in_hand(test, zt);
	KUNIT_EXPECT_EQ(test, check_contents(test, zt), 0);
	lru_add_drain();
	KUNIT_EXPECT_TRUE(test, PageLRU(pfn_to_page(zt->pfn[1])));
}

static struct folio *watched;
static bool on_lru_when_begun;

static bool look_at_lru(struct compact_control *cc)
{
	on_lru_when_begun = folio_test_lru(watched);
	return false;
}

/* What waits in this CPU's batch to be put on its list is there when the run begins. */
static void run_drains_its_own_batch(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	struct compact_policy policy = nowhere_policy;
	bool waits;

	policy.next_source = look_at_lru;
	zt->cc.policy = &policy;
	watched = page_folio(pfn_to_page(zt->pfn[1]));
	on_lru_when_begun = false;
	lru_add_drain();
	KUNIT_ASSERT_EQ(test, folio_isolate_lru(watched), 0);
	migrate_disable();
	folio_putback_lru(watched);
	waits = !folio_test_lru(watched);
	compact_zone(&zt->cc);
	migrate_enable();
	if (!waits)
		kunit_skip(test, "somebody has drained the batch");
	KUNIT_EXPECT_TRUE(test, on_lru_when_begun);
}

static bool killed_meanwhile(struct compact_control *cc)
{
	test_set_killed(true);
	return false;
}

/* A task that is killed gives way, whoever is the first to notice. */
static void run_that_is_killed_gives_way(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	struct compact_policy policy = nowhere_policy;
	long contended = test_runs_failed(zt->zone, COMPACT_FAIL_CONTENDED);
	long target = test_runs_failed(zt->zone, COMPACT_FAIL_TARGET);
	enum compact_result result;

	policy.next_target = killed_meanwhile;
	zt->cc.policy = &policy;
	result = compact_zone(&zt->cc);
	test_set_killed(false);

	KUNIT_EXPECT_EQ(test, result, COMPACT_CONTENDED);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zt->zone, COMPACT_FAIL_CONTENDED),
			contended + 1);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zt->zone, COMPACT_FAIL_TARGET), target);
	check_nothing_in_hand(test, zt);
	KUNIT_EXPECT_EQ(test, check_contents(test, zt), 0);
}

/* At the watermark there is no target either, and the caller is told why. */
static void run_at_the_watermark_stops(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	unsigned long min = zt->zone->_watermark[WMARK_MIN];
	long pages = failed_pages(zt, COMPACT_FAIL_WATERMARK);
	long runs = test_runs_failed(zt->zone, COMPACT_FAIL_WATERMARK);
	enum compact_result result;

	zt->zone->_watermark[WMARK_MIN] = zone_managed_pages(zt->zone);
	result = compact_zone(&zt->cc);
	zt->zone->_watermark[WMARK_MIN] = min;

	/* that is reclaim's to mend, so not a failure of the zone */
	KUNIT_EXPECT_EQ(test, result, COMPACT_CONTENDED);
	KUNIT_EXPECT_GT(test, failed_pages(zt, COMPACT_FAIL_WATERMARK), pages);
	KUNIT_EXPECT_EQ(test, test_runs_failed(zt->zone, COMPACT_FAIL_WATERMARK),
			runs + 1);
	check_nothing_in_hand(test, zt);
	KUNIT_EXPECT_EQ(test, check_contents(test, zt), 0);
}

/* Reclaim must find something on the lists: give way rather than wait. */
static void run_with_too_many_isolated_gives_way(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	long runs = test_runs_failed(zt->zone, COMPACT_FAIL_CONTENDED);
	pg_data_t *pgdat = zt->zone->zone_pgdat;

	mod_node_page_state(pgdat, NR_ISOLATED_ANON, 2 * NR_PAGES);
	zt->cc.mode = MIGRATE_ASYNC;
	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_CONTENDED);
	/* this is a kernel thread, and waits a little */
	zt->cc.mode = MIGRATE_SYNC_LIGHT;
	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_CONTENDED);
	mod_node_page_state(pgdat, NR_ISOLATED_ANON, -2 * NR_PAGES);

	KUNIT_EXPECT_EQ(test, test_runs_failed(zt->zone, COMPACT_FAIL_CONTENDED),
			runs + 2);
	check_nothing_in_hand(test, zt);
	KUNIT_EXPECT_EQ(test, check_contents(test, zt), 0);
}

/* Nothing needs to be done for a page that is there. */
static void run_ends_before_it_begins(struct kunit *test)
{
	struct zone_test *zt = test->priv;

	zt->cc.order = 0;
	zt->cc.migratetype = MIGRATE_MOVABLE;
	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_SUCCESS);
	KUNIT_EXPECT_EQ(test, zt->cc.total_migrate_scanned, 0);
}

/* Take all free blocks away and ask for one: the run ends when it is there. */
static void run_ends_with_what_was_wanted(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	enum compact_result result;
	unsigned long moved;
	struct page *page;
	LIST_HEAD(taken);

	while ((page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, pageblock_order)))
		list_add(&page->lru, &taken);

	zt->cc.order = pageblock_order;
	zt->cc.migratetype = MIGRATE_MOVABLE;
	result = compact_zone(&zt->cc);

	while ((page = list_first_entry_or_null(&taken, struct page, lru))) {
		list_del(&page->lru);
		__free_pages(page, pageblock_order);
	}

	KUNIT_EXPECT_EQ(test, result, COMPACT_SUCCESS);
	KUNIT_EXPECT_GT(test, zt->cc.total_migrate_scanned, 0);
	check_nothing_in_hand(test, zt);
	moved = check_contents(test, zt);
	kunit_info(test, "%lu pages looked at, %lu moved\n",
		   zt->cc.total_migrate_scanned, moved);
	KUNIT_EXPECT_GT(test, moved, 0);
	KUNIT_EXPECT_LE(test, moved, pageblock_nr_pages);
	KUNIT_EXPECT_LE(test, zt->cc.total_migrate_scanned,
			2 * pageblock_nr_pages);
}

static enum compact_result only_what_is_captured(struct compact_control *cc)
{
	return READ_ONCE(cc->capture->page) ? COMPACT_SUCCESS : COMPACT_CONTINUE;
}

/* Of two pages one is free everywhere: for a page of order 1 a single one has to move. */
static void small_page_takes_one_range(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	struct capture_control capture = {
		.zone = zt->zone,
		.order = 1,
		.migratetype = MIGRATE_MOVABLE,
	};
	enum compact_result result;

	zt->cc.order = 1;
	zt->cc.migratetype = MIGRATE_MOVABLE;
	zt->cc.mode = MIGRATE_SYNC_LIGHT;
	zt->cc.goal = only_what_is_captured;
	zt->cc.capture = &capture;
	WRITE_ONCE(current->capture_control, &capture);
	result = compact_zone(&zt->cc);
	WRITE_ONCE(current->capture_control, NULL);

	KUNIT_EXPECT_EQ(test, result, COMPACT_SUCCESS);
	check_nothing_in_hand(test, zt);
	KUNIT_EXPECT_LE(test, check_contents(test, zt), 2);
	KUNIT_EXPECT_EQ(test, compact_index_check(zt->zone), 0);
	KUNIT_ASSERT_NOT_NULL(test, capture.page);
	post_alloc_hook(capture.page, 1, GFP_KERNEL);
	__free_pages(capture.page, 1);
}

static bool goal_was_reached(struct compact_control *cc)
{
	cc->verdict = COMPACT_SUCCESS;
	return false;
}

/* A policy may ask the goal, and the page be gone again when the run ends. */
static void run_ends_as_its_goal_said(struct kunit *test)
{
	struct zone_test *zt = test->priv;
	struct compact_policy policy = compact_cheapest;

	policy.next_source = goal_was_reached;
	zt->cc.policy = &policy;
	KUNIT_EXPECT_EQ(test, compact_zone(&zt->cc), COMPACT_SUCCESS);
	KUNIT_EXPECT_EQ(test, check_contents(test, zt), 0);
}

static struct kunit_case zone_test_cases[] = {
	KUNIT_CASE(run_compacts_the_zone),
	KUNIT_CASE(run_without_target_changes_nothing),
	KUNIT_CASE(run_drains_its_own_batch),
	KUNIT_CASE(run_that_is_killed_gives_way),
	KUNIT_CASE(run_at_the_watermark_stops),
	KUNIT_CASE(run_with_too_many_isolated_gives_way),
	KUNIT_CASE(run_ends_before_it_begins),
	KUNIT_CASE(run_ends_with_what_was_wanted),
	KUNIT_CASE(small_page_takes_one_range),
	KUNIT_CASE(run_ends_as_its_goal_said),
	{ }
};

static struct kunit_suite zone_test_suite = {
	.name = "compaction-zone",
	.init = zone_test_init,
	.exit = zone_test_exit,
	.test_cases = zone_test_cases,
};

kunit_test_suite(zone_test_suite);
