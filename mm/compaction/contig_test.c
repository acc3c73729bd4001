// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges that somebody else has chosen: all free pages of one or none, and the
 * movable pages of one with no regard to what compaction would choose.
 */
#include <linux/migrate.h>
#include "test_util.h"

struct contig_test {
	struct compact_control cc;
	unsigned long start_pfn, end_pfn;
};

static int contig_test_init(struct kunit *test)
{
	struct contig_test *ct = kunit_kzalloc(test, sizeof(*ct), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ct);
	test->priv = ct;
	ct->start_pfn = test_alloc_block(test);
	ct->end_pfn = ct->start_pfn + pageblock_nr_pages;
	test_init_control(&ct->cc, ct->start_pfn);
	ct->cc.alloc_contig = true;
	return 0;
}

/* Each test leaves every page of the block with a reference of 1. */
static void contig_test_exit(struct kunit *test)
{
	struct contig_test *ct = test->priv;

	if (ct && ct->end_pfn)
		test_free_block(ct->start_pfn);
}

static void takes_a_free_range(struct kunit *test)
{
	struct contig_test *ct = test->priv;
	unsigned long start = ct->start_pfn + 64, pfn;

	test_free_pages(start, 96);
	KUNIT_EXPECT_EQ(test, isolate_freepages_range(&ct->cc, start,
						      start + 96), start + 96);
	for (pfn = start; pfn < start + 96; pfn++) {
		KUNIT_EXPECT_EQ(test, page_count(pfn_to_page(pfn)), 1);
		KUNIT_EXPECT_FALSE(test, PageBuddy(pfn_to_page(pfn)));
	}
}

/* The free page that is taken last may reach beyond the range. */
static void takes_free_pages_whole(struct kunit *test)
{
	struct contig_test *ct = test->priv;
	unsigned long start = ct->start_pfn + 64;

	test_free_pages(start, 64);
	KUNIT_EXPECT_EQ(test, isolate_freepages_range(&ct->cc, start,
						      start + 5), start + 64);
}

static void takes_all_or_nothing(struct kunit *test)
{
	struct contig_test *ct = test->priv;
	unsigned long start = ct->start_pfn + 64;

	test_free_pages(start, 16);
	test_free_pages(start + 17, 15);
	KUNIT_EXPECT_EQ(test, isolate_freepages_range(&ct->cc, start,
						      start + 32), 0);
	drain_all_pages(ct->cc.zone);
	KUNIT_EXPECT_EQ(test, test_count_free(start, start + 32), 31);

	/* hand them back to the block */
	KUNIT_EXPECT_EQ(test, isolate_freepages_range(&ct->cc, start,
						      start + 16), start + 16);
	KUNIT_EXPECT_EQ(test, isolate_freepages_range(&ct->cc, start + 17,
						      start + 32), start + 32);
}

static void finds_movable_pages_anywhere(struct kunit *test)
{
	struct contig_test *ct = test->priv;
	struct file *file = shmem_kernel_file_setup("compaction", PAGE_SIZE, 0);
	struct page *page;
	unsigned long pfn;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	page = test_file_page(test, file, 0);
	pfn = page_to_pfn(page);

	KUNIT_EXPECT_EQ(test, isolate_migratepages_range(&ct->cc, pfn,
							 pfn + 1), 0);
	KUNIT_EXPECT_EQ(test, ct->cc.nr_migratepages, 1);
	KUNIT_EXPECT_EQ(test, ct->cc.migrate_pfn, pfn + 1);
	putback_movable_pages(&ct->cc.migratepages);
	ct->cc.nr_migratepages = 0;

	/* and none where there is none */
	KUNIT_EXPECT_EQ(test, isolate_migratepages_range(&ct->cc, ct->start_pfn,
							 ct->end_pfn), 0);
	KUNIT_EXPECT_EQ(test, ct->cc.nr_migratepages, 0);
	KUNIT_EXPECT_EQ(test, ct->cc.migrate_pfn, ct->end_pfn);
	test_put_file(file);
}

/* What is behind the zone is passed over, and none of its pages looked at. */
static void keeps_to_the_zone(struct kunit *test)
{
	struct contig_test *ct = test->priv;
	unsigned long start = zone_end_pfn(ct->cc.zone);
	unsigned long end = start + 2 * pageblock_nr_pages;

	KUNIT_EXPECT_EQ(test, isolate_migratepages_range(&ct->cc, start, end), 0);
	KUNIT_EXPECT_EQ(test, ct->cc.migrate_pfn, end);
	KUNIT_EXPECT_EQ(test, ct->cc.total_migrate_scanned, 0);
}

static struct kunit_case contig_test_cases[] = {
	KUNIT_CASE(takes_a_free_range),
	KUNIT_CASE(takes_free_pages_whole),
	KUNIT_CASE(takes_all_or_nothing),
	KUNIT_CASE(finds_movable_pages_anywhere),
	KUNIT_CASE(keeps_to_the_zone),
	{ }
};

static struct kunit_suite contig_test_suite = {
	.name = "compaction-contig",
	.init = contig_test_init,
	.exit = contig_test_exit,
	.test_cases = contig_test_cases,
};

kunit_test_suite(contig_test_suite);
