// SPDX-License-Identifier: GPL-2.0
/*
 * Direct compaction: when another round is worth it, and who gets the page. The
 * second part leaves no free page of a pageblock in the machine but those that
 * the allocation makes.
 */
#include <linux/sched/mm.h>
#include "test_util.h"

#define COSTLY		(PAGE_ALLOC_COSTLY_ORDER + 1)
#define NR_PAGES	8192

static struct zonelist *local_zonelist(void)
{
	return node_zonelist(numa_node_id(), GFP_KERNEL);
}

static struct alloc_context context(void)
{
	return (struct alloc_context) {
		.zonelist = local_zonelist(),
		.highest_zoneidx = gfp_zone(GFP_KERNEL),
	};
}

/* How many rounds with the same result are made before it is given up? */
static int rounds(int order, enum compact_result result,
		  enum compact_priority *prio)
{
	struct alloc_context ac = context();
	int nr = 0, retries = 0;

	*prio = INIT_COMPACT_PRIORITY;
	while (nr < 1000 && should_compact_retry(&ac, order, ALLOC_WMARK_MIN,
						 result, prio, &retries))
		nr++;
	return nr;
}

static void no_order_no_retry(struct kunit *test)
{
	enum compact_priority prio;

	KUNIT_EXPECT_EQ(test, rounds(0, COMPACT_SUCCESS, &prio), 0);
	KUNIT_EXPECT_EQ(test, prio, INIT_COMPACT_PRIORITY);
}

/* 16 (or 4) rounds at each of three (or two) priorities, and the steps between */
static void progress_is_counted(struct kunit *test)
{
	enum compact_priority prio;

	KUNIT_EXPECT_EQ(test, rounds(1, COMPACT_SUCCESS, &prio), 3 * 16 + 2);
	KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_FULL);
	KUNIT_EXPECT_EQ(test, rounds(COSTLY, COMPACT_SUCCESS, &prio),
			2 * 4 + 1);
	KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_LIGHT);
}

static void failure_raises_the_priority(struct kunit *test)
{
	static const enum compact_result results[] = {
		COMPACT_COMPLETE, COMPACT_PARTIAL_SKIPPED, COMPACT_DEFERRED,
	};
	enum compact_priority prio;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		KUNIT_EXPECT_EQ(test, rounds(1, results[i], &prio), 2);
		KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_FULL);
		KUNIT_EXPECT_EQ(test, rounds(COSTLY, results[i], &prio), 1);
		KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_LIGHT);
	}
}

/* It was not to be had because of others; at the last priority that is no answer. */
static void stopped_half_way_tries_again(struct kunit *test)
{
	enum compact_priority prio;

	KUNIT_EXPECT_EQ(test, rounds(1, COMPACT_CONTENDED, &prio), 2 + 4);
	KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_FULL);
	KUNIT_EXPECT_EQ(test, rounds(COSTLY, COMPACT_CONTENDED, &prio), 1 + 4);
	KUNIT_EXPECT_EQ(test, prio, COMPACT_PRIO_SYNC_LIGHT);
}

/* Also after some rounds that got somewhere; and it ends whatever comes in turns. */
static void stopped_after_progress_tries_again(struct kunit *test)
{
	enum compact_priority prio = COMPACT_PRIO_SYNC_FULL;
	struct alloc_context ac = context();
	int nr = 0, retries = 0;
	bool more;

	do {
		more = should_compact_retry(&ac, 1, ALLOC_WMARK_MIN,
					    nr % 6 < 5 ? COMPACT_SUCCESS :
							 COMPACT_CONTENDED,
					    &prio, &retries);
	} while (more && nr++ < 1000);
	/* 5 + 4 + 5 of 16, and once more */
	KUNIT_EXPECT_EQ(test, nr, 5 + 1 + 5 + 1);
}

/* There is no use in waiting for reclaim if no zone could ever do. */
static void skipped_asks_whether_reclaim_helps(struct kunit *test)
{
	struct zone *zone = first_zones_zonelist(local_zonelist(),
						 gfp_zone(GFP_KERNEL),
						 NULL)->zone;
	unsigned long min = zone->_watermark[WMARK_MIN];
	unsigned long low = zone->_watermark[WMARK_LOW];
	enum compact_priority prio;

	/* what the page allocator calls success is not what is asked here */
	zone->_watermark[WMARK_MIN] = 2 * zone_managed_pages(zone);
	zone->_watermark[WMARK_LOW] = 2 * zone_managed_pages(zone);
	KUNIT_EXPECT_EQ(test, rounds(1, COMPACT_SKIPPED, &prio), 0);
	zone->_watermark[WMARK_MIN] = min;
	zone->_watermark[WMARK_LOW] = low;
}

/* Take every free page of an order or more. */
static void take_free(struct list_head *taken, unsigned int order)
{
	struct page *page;

	while ((page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, order)))
		list_add(&page->lru, taken);
}

static void give_back(struct list_head *taken, unsigned int order)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, taken, lru) {
		list_del(&page->lru);
		__free_pages(page, order);
	}
}

/* A file of which every other page has been punched out. */
static struct file *scattered_file(struct kunit *test)
{
	struct file *file = shmem_kernel_file_setup("compaction",
						    NR_PAGES * PAGE_SIZE, 0);
	pgoff_t i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	for (i = 0; i < NR_PAGES; i++)
		set_page_dirty(test_file_page(test, file, i));
	for (i = 0; i < NR_PAGES; i += 2)
		shmem_truncate_range(file_inode(file), i * PAGE_SIZE,
				     (i + 1) * PAGE_SIZE - 1);
	drain_all_pages(NULL);
	return file;
}

static unsigned long events(enum vm_event_item item)
{
	unsigned long all[NR_VM_EVENT_ITEMS];

	all_vm_events(all);
	return all[item];
}

struct request {
	gfp_t gfp_mask;
	unsigned int order;
};

/* All orders, for movable pages and for the kernel's own. */
static const void *next_request(const void *last, char *name)
{
	static struct request request;

	if (!last)
		request = (struct request) { GFP_HIGHUSER_MOVABLE, 1 };
	else if (++request.order == MAX_ORDER)
		request = (struct request) { GFP_KERNEL,
			request.gfp_mask == GFP_KERNEL ? 0 : 1 };
	if (!request.order)
		return NULL;

	snprintf(name, KUNIT_PARAM_DESC_SIZE, "order-%u-%s", request.order,
		 request.gfp_mask == GFP_KERNEL ? "kernel" : "movable");
	return &request;
}

/*
 * An allocation that would fail succeeds, counts as a stall and a success, and
 * leaves no word of it in the task. Nobody else's page: none was free before.
 */
static void allocation_compacts_for_itself(struct kunit *test)
{
	const struct request *request = test->param_value;
	struct file *file = scattered_file(test);
	unsigned long stalls, successes;
	struct page *page;
	LIST_HEAD(taken);

	take_free(&taken, request->order);
	stalls = events(COMPACTSTALL);
	successes = events(COMPACTSUCCESS);
	page = alloc_pages(request->gfp_mask | __GFP_RETRY_MAYFAIL |
			   __GFP_NOWARN, request->order);
	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_GT(test, events(COMPACTSTALL), stalls);
	KUNIT_EXPECT_EQ(test, events(COMPACTSUCCESS), successes + 1);
	KUNIT_EXPECT_PTR_EQ(test, current->capture_control, NULL);

	if (page)
		__free_pages(page, request->order);
	give_back(&taken, request->order);
	test_put_file(file);
}

/* A page is freed while this task waits for one. Is it kept for the task? */
struct freed {
	const char *name;
	unsigned int order;
	unsigned int wanted;	/* order */
	bool other_type;	/* is wanted than that of the block */
	bool other_zone;
	bool has_one;
	bool kept;
};

#define SMALL	(PAGE_ALLOC_COSTLY_ORDER + 2)

static const struct freed freed_pages[] = {
	{ "its-page", SMALL, SMALL, .kept = true },
	{ "whole-block", MAX_ORDER - 1, MAX_ORDER - 1, .kept = true },
	{ "whole-block-of-another-type", MAX_ORDER - 1, MAX_ORDER - 1,
	  .other_type = true, .kept = true },
	{ "another-type", SMALL, SMALL, .other_type = true },
	{ "more-than-is-wanted", SMALL, SMALL - 1 },
	{ "another-zone", SMALL, SMALL, .other_zone = true },
	{ "a-second-page", SMALL, SMALL, .has_one = true },
};

static void freed_name(const struct freed *freed, char *desc)
{
	strscpy(desc, freed->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(freed, freed_pages, freed_name);

/* Returns by how much the count of free pages has grown. */
static long free_and_capture(struct page *page, unsigned int order,
			     struct capture_control *capture)
{
	struct zone *zone = page_zone(page);
	long before;

	local_bh_disable();
	before = zone_page_state_snapshot(zone, NR_FREE_PAGES);
	current->capture_control = capture;
	__free_pages(page, order);
	current->capture_control = NULL;
	before = zone_page_state_snapshot(zone, NR_FREE_PAGES) - before;
	local_bh_enable();
	return before;
}

static void freed_page_is_kept(struct kunit *test)
{
	const struct freed *freed = test->param_value;
	unsigned int order = freed->order;
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
	struct page *had = freed->has_one ? ZERO_PAGE(0) : NULL;
	struct capture_control capture = { .order = freed->wanted, .page = had };
	struct zone *zone;
	long grown;
	int type;

	KUNIT_ASSERT_NOT_NULL(test, page);
	zone = page_zone(page);
	type = get_pageblock_migratetype(page);
	capture.zone = freed->other_zone ? zone + 1 : zone;
	capture.migratetype = freed->other_type ? (type + 1) % MIGRATE_PCPTYPES :
						  type;

	grown = free_and_capture(page, order, &capture);
	KUNIT_EXPECT_PTR_EQ(test, capture.page, freed->kept ? page : had);
	/* other CPUs would take and free pages meanwhile */
	if (!IS_ENABLED(CONFIG_SMP))
		KUNIT_EXPECT_EQ(test, grown, freed->kept ? 0 : 1L << order);
	KUNIT_EXPECT_EQ(test, compact_index_check(zone), 0);
	if (capture.page != page)
		return;

	KUNIT_EXPECT_FALSE(test, PageBuddy(page));
	post_alloc_hook(page, order, GFP_KERNEL);
	__free_pages(page, order);
}

/* As a huge page fault does that may wait; the page is given back at once. */
static bool alloc_block(void)
{
	struct page *page = alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY |
					__GFP_NOWARN, pageblock_order);

	if (page)
		__free_pages(page, pageblock_order);
	return page;
}

static void attempts_let_pass_are_counted(struct kunit *test)
{
	struct file *file = scattered_file(test);
	struct zone *zone = first_zones_zonelist(local_zonelist(),
						 gfp_zone(GFP_KERNEL),
						 NULL)->zone;
	unsigned long stalls;
	LIST_HEAD(taken);
	long before;

	take_free(&taken, pageblock_order);

	/* lack of memory, as the administrator sees it */
	sysctl_extfrag_threshold = 1000;
	before = test_runs_failed(zone, COMPACT_FAIL_THRESHOLD);
	stalls = events(COMPACTSTALL);
	KUNIT_EXPECT_FALSE(test, alloc_block());
	KUNIT_EXPECT_GT(test, test_runs_failed(zone, COMPACT_FAIL_THRESHOLD),
			before);
	KUNIT_EXPECT_EQ(test, events(COMPACTSTALL), stalls);
	sysctl_extfrag_threshold = 500;

	compact_defer(zone, pageblock_order);
	before = test_runs_failed(zone, COMPACT_FAIL_DEFERRED);
	KUNIT_EXPECT_FALSE(test, alloc_block());
	KUNIT_EXPECT_FALSE(test, alloc_block());
	KUNIT_EXPECT_EQ(test, test_runs_failed(zone, COMPACT_FAIL_DEFERRED),
			before + 2);
	/* the next one is made, succeeds, and ends the deferral */
	KUNIT_EXPECT_TRUE(test, alloc_block());
	KUNIT_EXPECT_EQ(test, zone->compaction.defer_shift, 0);

	give_back(&taken, pageblock_order);
	test_put_file(file);
}

/* Without __GFP_IO, or from a context without I/O: no compaction. */
static void no_io_no_compaction(struct kunit *test)
{
	struct file *file = scattered_file(test);
	unsigned long stalls;
	unsigned int flags;
	struct page *page;
	LIST_HEAD(taken);

	take_free(&taken, pageblock_order);
	stalls = events(COMPACTSTALL);
	page = alloc_pages(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN,
			   pageblock_order);
	KUNIT_EXPECT_NULL(test, page);
	flags = memalloc_noio_save();
	KUNIT_EXPECT_FALSE(test, alloc_block());
	memalloc_noio_restore(flags);
	KUNIT_EXPECT_EQ(test, events(COMPACTSTALL), stalls);

	give_back(&taken, pageblock_order);
	test_put_file(file);
}

/* Between the min and the low watermark it depends on who asks. */
static void below_low_some_do_without(struct kunit *test)
{
	struct file *file = scattered_file(test);
	struct zone *zone = first_zones_zonelist(local_zonelist(),
						 gfp_zone(GFP_KERNEL),
						 NULL)->zone;
	unsigned long low = zone->_watermark[WMARK_LOW], stalls;
	LIST_HEAD(taken);
	bool without, with;
	struct page *page;
	long before;

	take_free(&taken, pageblock_order);
	stalls = events(COMPACTSTALL);
	before = test_runs_failed(zone, COMPACT_FAIL_WATERMARK);
	zone->_watermark[WMARK_LOW] = zone_managed_pages(zone);
	without = alloc_block();
	KUNIT_EXPECT_EQ(test, events(COMPACTSTALL), stalls);
	page = alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL |
			   __GFP_NOWARN, pageblock_order);
	with = page;
	zone->_watermark[WMARK_LOW] = low;

	KUNIT_EXPECT_FALSE(test, without);
	KUNIT_EXPECT_GT(test, test_runs_failed(zone, COMPACT_FAIL_WATERMARK),
			before);
	KUNIT_EXPECT_TRUE(test, with);
	if (page)
		__free_pages(page, pageblock_order);
	give_back(&taken, pageblock_order);
	test_put_file(file);
}

static struct kunit_case direct_test_cases[] = {
	KUNIT_CASE(no_order_no_retry),
	KUNIT_CASE(progress_is_counted),
	KUNIT_CASE(failure_raises_the_priority),
	KUNIT_CASE(stopped_half_way_tries_again),
	KUNIT_CASE(stopped_after_progress_tries_again),
	KUNIT_CASE(skipped_asks_whether_reclaim_helps),
	KUNIT_CASE_PARAM(allocation_compacts_for_itself, next_request),
	KUNIT_CASE_PARAM(freed_page_is_kept, freed_gen_params),
	KUNIT_CASE(attempts_let_pass_are_counted),
	KUNIT_CASE(no_io_no_compaction),
	KUNIT_CASE(below_low_some_do_without),
	{ }
};

/* The daemon would do the work first. */
static int direct_test_init(struct kunit *test)
{
	kcompactd_stop(numa_node_id());
	return 0;
}

static void direct_test_exit(struct kunit *test)
{
	kcompactd_run(numa_node_id());
}

static struct kunit_suite direct_test_suite = {
	.name = "compaction-direct",
	.init = direct_test_init,
	.exit = direct_test_exit,
	.test_cases = direct_test_cases,
};

kunit_test_suite(direct_test_suite);
