// SPDX-License-Identifier: GPL-2.0
/*
 * The migration scanner: which pages it takes, which it leaves, and that what
 * it took can be put back without a trace. Each test offers it single pages;
 * shmem pages stand for all that is on an LRU list.
 */
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/writeback.h>
#include "test_util.h"

#define NR_PAGES	(4 * COMPACT_CLUSTER_MAX)

struct source_test {
	struct compact_control cc;
	struct file *file;
	struct page *page;		/* on an LRU list */
};

static int source_test_init(struct kunit *test)
{
	struct source_test *st = kunit_kzalloc(test, sizeof(*st), GFP_KERNEL);
	pgoff_t index;

	KUNIT_ASSERT_NOT_NULL(test, st);
	test->priv = st;
	st->file = shmem_kernel_file_setup("compaction",
					   (NR_PAGES + 1) * PAGE_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(st->file));
	/* enough pages on the lists that one in hand is not too many */
	for (index = NR_PAGES; index--;)
		st->page = test_file_page(test, st->file, index);
	test_init_control(&st->cc, page_to_pfn(st->page));
	return 0;
}

static void source_test_exit(struct kunit *test)
{
	struct source_test *st = test->priv;

	if (st && !IS_ERR_OR_NULL(st->file))
		test_put_file(st->file);
}

/* Offer one page. Returns how many base pages were taken. */
static unsigned int offer(struct kunit *test, struct compact_control *cc,
			  struct page *page)
{
	cc->migrate_pfn = page_to_pfn(page);
	KUNIT_EXPECT_EQ(test, isolate_source(cc, page_to_pfn(page) + 1), 0);
	KUNIT_EXPECT_EQ(test, cc->migrate_pfn, page_to_pfn(page) + 1);
	return cc->nr_migratepages;
}

/* Offer one page that is to stay, for one reason, which is counted. */
static void refused(struct kunit *test, struct compact_control *cc,
		    struct page *page, enum compact_failure why)
{
	memset(cc->failed_pages, 0, sizeof(cc->failed_pages));
	cc->failed_here = 0;
	KUNIT_EXPECT_EQ(test, offer(test, cc, page), 0);
	KUNIT_EXPECT_EQ(test, cc->failed_pages[why], 1);
	KUNIT_EXPECT_EQ(test, cc->failed_here, BIT(why));
}

static void put_back(struct compact_control *cc)
{
	putback_movable_pages(&cc->migratepages);
	cc->nr_migratepages = 0;
}

static void takes_lru_pages(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long isolated = test_nr_isolated();
	int refs = page_count(st->page);

	KUNIT_ASSERT_TRUE(test, PageLRU(st->page));
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	KUNIT_EXPECT_FALSE(test, PageLRU(st->page));
	KUNIT_EXPECT_EQ(test, page_count(st->page), refs + 1);
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated + 1);

	put_back(&st->cc);
	lru_add_drain();
	KUNIT_EXPECT_TRUE(test, PageLRU(st->page));
	KUNIT_EXPECT_EQ(test, page_count(st->page), refs);
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated);
}

static void takes_no_page_twice(struct kunit *test)
{
	struct source_test *st = test->priv;

	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	put_back(&st->cc);
}

static void leaves_pinned_pages(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long isolated = test_nr_isolated();

	get_page(st->page);
	refused(test, &st->cc, st->page, COMPACT_FAIL_PINNED);
	KUNIT_EXPECT_TRUE(test, PageLRU(st->page));
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated);
	put_page(st->page);

	/* and takes them when the pin has gone */
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	put_back(&st->cc);
}

static void leaves_kernel_pages(struct kunit *test)
{
	struct source_test *st = test->priv;
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	refused(test, &st->cc, page, COMPACT_FAIL_UNMOVABLE);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	__free_page(page);
}

static void leaves_huge_pages(struct kunit *test)
{
	struct source_test *st = test->priv;
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, 3);
	unsigned long nr;

	KUNIT_ASSERT_NOT_NULL(test, page);
	/* it may belong to the kernel, or to a process */
	KUNIT_EXPECT_EQ(test, page_verdict(&st->cc, page, &nr), PAGE_UNMOVABLE);
	KUNIT_EXPECT_EQ(test, nr, 8);
	SetPageLRU(page);
	KUNIT_EXPECT_EQ(test, page_verdict(&st->cc, page + 3, &nr), PAGE_HUGE);
	KUNIT_EXPECT_EQ(test, nr, 5);
	ClearPageLRU(page);
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, page), 0);
	__free_pages(page, 3);
}

static void steps_over_free_pages(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long pfn = test_alloc_block(test), nr;
	struct page *page = pfn_to_page(pfn);

	test_free_pages(pfn, pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, page_verdict(&st->cc, page, &nr), PAGE_FREE);
	KUNIT_EXPECT_GE(test, nr, pageblock_nr_pages);

	st->cc.migrate_pfn = pfn;
	st->cc.total_migrate_scanned = 0;
	KUNIT_EXPECT_EQ(test, isolate_source(&st->cc, pfn + pageblock_nr_pages),
			0);
	KUNIT_EXPECT_EQ(test, st->cc.migrate_pfn, pfn + pageblock_nr_pages);
	KUNIT_EXPECT_EQ(test, st->cc.total_migrate_scanned, 1);
}

static void leaves_files_to_nofs_callers(struct kunit *test)
{
	struct source_test *st = test->priv;

	st->cc.gfp_mask = GFP_NOFS;
	refused(test, &st->cc, st->page, COMPACT_FAIL_FILE);
}

static void unevictable_pages_obey_the_knob(struct kunit *test)
{
	struct source_test *st = test->priv;
	int allowed = sysctl_compact_unevictable_allowed;
	struct page *page;

	mapping_set_unevictable(st->file->f_mapping);
	page = test_file_page(test, st->file, NR_PAGES);
	KUNIT_ASSERT_TRUE(test, PageUnevictable(page));

	sysctl_compact_unevictable_allowed = 0;
	refused(test, &st->cc, page, COMPACT_FAIL_MLOCKED);
	sysctl_compact_unevictable_allowed = 1;
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, page), 1);
	sysctl_compact_unevictable_allowed = allowed;

	put_back(&st->cc);
	mapping_clear_unevictable(st->file->f_mapping);
}

static void only_sync_waits_for_writeback(struct kunit *test)
{
	struct source_test *st = test->priv;

	lock_page(st->page);
	set_page_writeback(st->page);
	unlock_page(st->page);

	st->cc.mode = MIGRATE_ASYNC;
	refused(test, &st->cc, st->page, COMPACT_FAIL_WRITEBACK);
	st->cc.mode = MIGRATE_SYNC_LIGHT;
	refused(test, &st->cc, st->page, COMPACT_FAIL_WRITEBACK);
	st->cc.mode = MIGRATE_SYNC;
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);

	put_back(&st->cc);
	end_page_writeback(st->page);
}

/* shmem can move a dirty page, but a locked one cannot be asked. */
static void async_leaves_locked_dirty_pages(struct kunit *test)
{
	struct source_test *st = test->priv;

	set_page_dirty(st->page);
	st->cc.mode = MIGRATE_ASYNC;

	lock_page(st->page);
	refused(test, &st->cc, st->page, COMPACT_FAIL_LOCKED);
	unlock_page(st->page);
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	put_back(&st->cc);
}

/* A filesystem that knows no way to move a page makes it wait to be written. */
static void only_sync_takes_what_must_be_written(struct kunit *test)
{
	struct source_test *st = test->priv;
	struct address_space *mapping = st->file->f_mapping;
	const struct address_space_operations *aops = mapping->a_ops;
	const struct address_space_operations none = { };

	set_page_dirty(st->page);
	mapping->a_ops = &none;
	st->cc.mode = MIGRATE_ASYNC;
	refused(test, &st->cc, st->page, COMPACT_FAIL_DIRTY);
	st->cc.mode = MIGRATE_SYNC_LIGHT;
	refused(test, &st->cc, st->page, COMPACT_FAIL_DIRTY);
	st->cc.mode = MIGRATE_SYNC;
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, st->page), 1);
	mapping->a_ops = aops;
	put_back(&st->cc);
}

/* A batch is full at COMPACT_CLUSTER_MAX, and the next goes on behind it. */
static void takes_batches(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long first = ULONG_MAX, last = 0;
	unsigned int i, nr, total = 0;

	for (i = 0; i < NR_PAGES; i++) {
		struct page *page = test_file_page(test, st->file, i);

		first = min(first, page_to_pfn(page));
		last = max(last, page_to_pfn(page));
	}
	/* the file is all there need be between its first and its last page */
	st->cc.migrate_pfn = first;
	while (st->cc.migrate_pfn <= last) {
		unsigned long end = min(pageblock_end_pfn(st->cc.migrate_pfn),
					last + 1);

		KUNIT_ASSERT_EQ(test, isolate_source(&st->cc, end), 0);
		nr = st->cc.nr_migratepages;
		KUNIT_EXPECT_LE(test, nr, COMPACT_CLUSTER_MAX);
		if (st->cc.migrate_pfn < end)
			KUNIT_EXPECT_EQ(test, nr, COMPACT_CLUSTER_MAX);
		total += nr;
		put_back(&st->cc);
	}
	KUNIT_EXPECT_GE(test, total, NR_PAGES);
}

static unsigned int driver_isolated, driver_put_back;

static bool driver_isolate(struct page *page, isolate_mode_t mode)
{
	driver_isolated++;
	return true;
}

static void driver_putback(struct page *page)
{
	driver_put_back++;
}

static const struct movable_operations driver_ops = {
	.isolate_page	= driver_isolate,
	.putback_page	= driver_putback,
};

/* Returns @pfn if so many pages from there on are on LRU lists that a scan looks up. */
static unsigned long row_of_pages(unsigned long pfn)
{
	unsigned long i;

	if (pageblock_end_pfn(pfn) - pfn < COMPACT_CLUSTER_MAX)
		return 0;
	for (i = 0; i < COMPACT_CLUSTER_MAX; i++)
		if (!PageLRU(pfn_to_page(pfn + i)))
			return 0;
	return pfn;
}

/* What it has taken until it notices is isolated like any batch, and to be put back. */
static void killed_task_has_a_batch(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long isolated = test_nr_isolated(), pfn = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_PAGES && !pfn; i++)
		pfn = row_of_pages(page_to_pfn(test_file_page(test, st->file, i)));
	if (!pfn)
		kunit_skip(test, "no row of the file's pages");
	st->cc.migrate_pfn = pfn;
	test_set_killed(true);
	ret = isolate_source(&st->cc, pageblock_end_pfn(pfn));
	test_set_killed(false);

	KUNIT_EXPECT_EQ(test, ret, -EINTR);
	KUNIT_EXPECT_GT(test, st->cc.nr_migratepages, 0);
	KUNIT_EXPECT_EQ(test, test_nr_isolated(),
			isolated + st->cc.nr_migratepages);
	put_back(&st->cc);
	lru_add_drain();
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_TRUE(test, PageLRU(test_file_page(test, st->file, i)));
}

static void takes_pages_of_drivers(struct kunit *test)
{
	struct source_test *st = test->priv;
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long isolated = test_nr_isolated();

	KUNIT_ASSERT_NOT_NULL(test, page);
	lock_page(page);
	__SetPageMovable(page, &driver_ops);
	KUNIT_EXPECT_TRUE(test, PageMovable(page));
	unlock_page(page);

	driver_isolated = 0;
	driver_put_back = 0;
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, page), 1);
	KUNIT_EXPECT_EQ(test, driver_isolated, 1);
	KUNIT_EXPECT_TRUE(test, PageIsolated(page));
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated);
	/* not once more while it is out */
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, page), 1);
	KUNIT_EXPECT_EQ(test, driver_isolated, 1);
	put_back(&st->cc);
	KUNIT_EXPECT_EQ(test, driver_put_back, 1);

	/* and not at all once the driver has let go of it */
	lock_page(page);
	__ClearPageMovable(page);
	KUNIT_EXPECT_FALSE(test, PageMovable(page));
	unlock_page(page);
	KUNIT_EXPECT_EQ(test, offer(test, &st->cc, page), 0);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	__free_page(page);
}

static void knows_pages_in_transit(struct kunit *test)
{
	struct source_test *st = test->priv;
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	__free_page(page);
	KUNIT_ASSERT_FALSE(test, PageBuddy(page));
	refused(test, &st->cc, page, COMPACT_FAIL_PERCPU);

	/* somebody has taken it off its list, and will put it back */
	KUNIT_ASSERT_EQ(test, isolate_lru_page(st->page), 0);
	refused(test, &st->cc, st->page, COMPACT_FAIL_BUSY);
	putback_lru_page(st->page);
}

/* One page that stays spoils the aligned range that is wanted, and no more. */
static void leaves_spoiled_ranges(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long pfn = test_alloc_block(test);

	st->cc.order = 4;
	st->cc.skip_spoiled = true;
	st->cc.migrate_pfn = pfn + 3;
	KUNIT_EXPECT_EQ(test, isolate_source(&st->cc, pfn + 40), 0);
	KUNIT_EXPECT_EQ(test, st->cc.migrate_pfn, pfn + 40);
	KUNIT_EXPECT_EQ(test, st->cc.total_migrate_scanned, 3);
	KUNIT_EXPECT_EQ(test, st->cc.failed_pages[COMPACT_FAIL_UNMOVABLE], 3);
	test_free_block(pfn);
}

/* What had been taken of a range before it proved spoiled returns to its list. */
static void gives_back_what_is_spoiled(struct kunit *test)
{
	struct source_test *st = test->priv;
	unsigned long isolated = test_nr_isolated();
	struct page *page = NULL;
	int refs;
	pgoff_t i;

	/* two pages of the file side by side, of which the second is pinned */
	for (i = 0; i < NR_PAGES && !page; i++) {
		page = test_file_page(test, st->file, i);
		if (page_to_pfn(page) % 2 || !PageLRU(page + 1) ||
		    page_mapping(page + 1) != st->file->f_mapping)
			page = NULL;
	}
	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page + 1);
	refs = page_count(page);

	st->cc.order = 1;
	st->cc.skip_spoiled = true;
	st->cc.migrate_pfn = page_to_pfn(page);
	KUNIT_EXPECT_EQ(test, isolate_source(&st->cc, page_to_pfn(page) + 2),
			0);
	KUNIT_EXPECT_EQ(test, st->cc.nr_migratepages, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&st->cc.migratepages));
	KUNIT_EXPECT_TRUE(test, PageLRU(page));
	KUNIT_EXPECT_EQ(test, page_count(page), refs);
	KUNIT_EXPECT_EQ(test, test_nr_isolated(), isolated);
	put_page(page + 1);

	/* sound, it is a batch of its own */
	st->cc.migrate_pfn = page_to_pfn(page);
	KUNIT_EXPECT_EQ(test, isolate_source(&st->cc, page_to_pfn(page) + 4),
			0);
	KUNIT_EXPECT_EQ(test, st->cc.nr_migratepages, 2);
	KUNIT_EXPECT_EQ(test, st->cc.migrate_pfn, page_to_pfn(page) + 2);
	put_back(&st->cc);
}

/* What migration left is looked at again, for what may have been in its way. */
static void guesses_why_migration_failed(struct kunit *test)
{
	struct source_test *st = test->priv;

	KUNIT_ASSERT_EQ(test, offer(test, &st->cc, st->page), 1);
	KUNIT_EXPECT_EQ(test, page_left_verdict(st->page), PAGE_BUSY);

	get_page(st->page);
	KUNIT_EXPECT_EQ(test, page_left_verdict(st->page), PAGE_PINNED);
	put_page(st->page);

	lock_page(st->page);
	KUNIT_EXPECT_EQ(test, page_left_verdict(st->page), PAGE_LOCKED);
	set_page_writeback(st->page);
	unlock_page(st->page);
	KUNIT_EXPECT_EQ(test, page_left_verdict(st->page), PAGE_WRITEBACK);
	end_page_writeback(st->page);
	put_back(&st->cc);
}

static struct kunit_case source_test_cases[] = {
	KUNIT_CASE(knows_pages_in_transit),
	KUNIT_CASE(leaves_spoiled_ranges),
	KUNIT_CASE(gives_back_what_is_spoiled),
	KUNIT_CASE(guesses_why_migration_failed),
	KUNIT_CASE(takes_lru_pages),
	KUNIT_CASE(takes_no_page_twice),
	KUNIT_CASE(leaves_pinned_pages),
	KUNIT_CASE(leaves_kernel_pages),
	KUNIT_CASE(leaves_huge_pages),
	KUNIT_CASE(steps_over_free_pages),
	KUNIT_CASE(leaves_files_to_nofs_callers),
	KUNIT_CASE(unevictable_pages_obey_the_knob),
	KUNIT_CASE(only_sync_waits_for_writeback),
	KUNIT_CASE(async_leaves_locked_dirty_pages),
	KUNIT_CASE(only_sync_takes_what_must_be_written),
	KUNIT_CASE(takes_batches),
	KUNIT_CASE(killed_task_has_a_batch),
	KUNIT_CASE(takes_pages_of_drivers),
	{ }
};

static struct kunit_suite source_test_suite = {
	.name = "compaction-source",
	.init = source_test_init,
	.exit = source_test_exit,
	.test_cases = source_test_cases,
};

kunit_test_suite(source_test_suite);
