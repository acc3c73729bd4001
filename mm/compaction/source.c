// SPDX-License-Identifier: GPL-2.0
/*
 * The migration scanner: takes the movable pages out of one block.
 *
 * It goes over the block in two strides for each batch. The first looks at the
 * pages one after the other, with no lock held, and claims those that can move
 * by taking a reference and clearing PG_lru: from then on nobody else takes
 * them off their list. The second unlinks the claimed pages under lru_lock.
 * So the lock is held for as long as it takes to unlink at most
 * COMPACT_CLUSTER_MAX pages, and never for a page that stays.
 */
#include <linux/compaction.h>
#include <linux/hugetlb.h>
#include <linux/memcontrol.h>
#include <linux/migrate.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/vmstat.h>
#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/compaction.h>

/* How often a run of a kernel thread waits while too much is isolated. */
#define MAX_THROTTLED	5

/* Pages that are claimed but still linked into their LRU lists. */
struct claimed_pages {
	struct page *page[COMPACT_CLUSTER_MAX];
	unsigned int nr;
};

#ifdef CONFIG_COMPACTION
int sysctl_compact_unevictable_allowed __read_mostly =
	CONFIG_COMPACT_UNEVICTABLE_DEFAULT;
#endif

/*
 * Mlocked pages move unless the administrator has said that their owners must
 * not be disturbed. A caller that needs one given range has no such choice.
 */
static bool may_take_unevictable(struct compact_control *cc)
{
#ifdef CONFIG_COMPACTION
	if (!sysctl_compact_unevictable_allowed)
		return cc->alloc_contig;
#endif
	return true;
}

/*
 * How many base pages from @page on belong to the same compound page? Read
 * without a reference, so the order may be anything: believe what is possible.
 */
static unsigned long rest_of_compound(struct page *page)
{
	struct page *head = compound_head(page);
	unsigned int order = compound_order(head);
	unsigned long seen = page - head;

	if (order >= MAX_ORDER || seen >= 1UL << order)
		return 1;
	return (1UL << order) - seen;
}

/*
 * A page that is neither free, nor on an LRU list, nor a driver's movable one.
 * Slab and page tables use page->mapping for something else.
 */
static enum page_verdict off_list_verdict(struct page *page)
{
	if (!page_count(page))
		return PAGE_PERCPU;
	if (PageSlab(page) || page_has_type(page) || PageReserved(page))
		return PAGE_UNMOVABLE;

	return READ_ONCE(page->mapping) ? PAGE_BUSY : PAGE_UNMOVABLE;
}

/* A compound page may be the kernel's own, or memory that is huge already. */
static enum page_verdict compound_verdict(struct page *page)
{
	return PageLRU(compound_head(page)) || PageHuge(page) ? PAGE_HUGE :
								PAGE_UNMOVABLE;
}

/**
 * page_verdict - say from a look alone whether a page may be movable
 * @cc: the run
 * @page: any page of the zone; no reference is needed
 * @nr: set to the number of pages, from @page on, for which the answer holds
 *
 * Everything is read without a lock and may be stale by the time it is
 * returned; taking the page settles the matter.
 *
 * Context: any.
 * Return: %PAGE_TAKEN if it is worth while to try and take the page, otherwise
 * why not.
 */
enum page_verdict page_verdict(struct compact_control *cc, struct page *page,
			       unsigned long *nr)
{
	*nr = 1;

	if (PageBuddy(page)) {
		unsigned long order = buddy_order_unsafe(page);

		if (order < MAX_ORDER)
			*nr = 1UL << order;
		return PAGE_FREE;
	}
	if (PageCompound(page) && !cc->alloc_contig) {
		*nr = rest_of_compound(page);
		return compound_verdict(page);
	}
	if (PageLRU(page))
		return PAGE_TAKEN;
	if (__PageMovable(page))
		return PageIsolated(page) ? PAGE_BUSY : PAGE_TAKEN;

	return off_list_verdict(page);
}

/**
 * page_left_verdict - why did migration not move an isolated page?
 * @page: isolated, and off its list; the caller holds a reference
 *
 * Migration does not tell, so this looks for what is in its way by now. That
 * may have gone in between.
 *
 * Context: any.
 * Return: the reason, %PAGE_BUSY if there is none to be seen.
 */
enum page_verdict page_left_verdict(struct page *page)
{
	int known;

	if (PageWriteback(page))
		return PAGE_WRITEBACK;
	if (PageLocked(page))
		return PAGE_LOCKED;
	if (__PageMovable(page))
		return PAGE_BUSY;

	known = 1 + total_mapcount(page);
	if (page_mapping(page))
		known += compound_nr(page) + !!page_has_private(page);
	return page_count(page) > known ? PAGE_PINNED : PAGE_BUSY;
}

/*
 * The references of the page cache or swap cache, and of the buffers. A file page
 * outside shmem may have one more: that of a reader on its way, or of an AIO context,
 * whose migrate_folio() knows about it.
 */
static int cache_references(unsigned long flags)
{
	return 1 + !!(flags & PAGE_FLAGS_PRIVATE) + !(flags & BIT(PG_swapbacked));
}

/*
 * Does somebody besides the page tables, the caches and the caller hold a reference?
 * Migration would wait for them in vain if the page is pinned. But as
 * alloc_contig_range() cannot choose another page, it lets migration try one of a
 * cache.
 */
static bool has_other_users(struct compact_control *cc, struct page *page,
			    struct address_space *mapping)
{
	int expected = 1 + total_mapcount(page);

	if (mapping) {
		if (cc->alloc_contig)
			return false;
		expected += cache_references(page->flags);
	}
	return page_count(page) > expected;
}

/*
 * The same from a look, without a reference: a guess. The flags are read as they are,
 * as the page may turn into part of a larger one meanwhile.
 */
static enum page_verdict lru_guess(struct compact_control *cc, struct page *page)
{
	unsigned long flags = READ_ONCE(page->flags);
	unsigned long mapping = (unsigned long)READ_ONCE(page->mapping);
	bool swapcache = (flags & BIT(PG_swapbacked)) && (flags & BIT(PG_swapcache));
	bool cached = mapping & PAGE_MAPPING_ANON ? swapcache : mapping;
	int known = page_mapcount(page);

	if (cached)
		known += cache_references(flags);
	if (page_count(page) > known)
		return PAGE_PINNED;
	if (cached && !(cc->gfp_mask & __GFP_FS))
		return PAGE_NEEDS_FS;
	if ((flags & BIT(PG_unevictable)) && !may_take_unevictable(cc))
		return PAGE_UNEVICTABLE;
	return PAGE_TAKEN;
}

/**
 * source_obstacle - does a block hold a page that would stay?
 * @cc: the run
 * @block: all pages of it are in cc->zone
 *
 * To be asked where it costs so much to empty the block that a look at every page
 * before is cheap. A reason is counted as if the page had been met on the way. What is
 * on its way to a free list or an LRU list may have got there by then, and is none.
 *
 * Context: process context, within compact_scan_begin().
 * Return: false if none was seen. There may be one.
 */
bool source_obstacle(struct compact_control *cc, const struct compact_block *block)
{
	unsigned long pfn = block->start_pfn, nr;

	while (pfn < block->end_pfn) {
		struct page *page = pfn_to_page(pfn);
		enum page_verdict verdict = page_verdict(cc, page, &nr);

		cc->total_migrate_scanned++;
		if (verdict == PAGE_TAKEN && PageLRU(page))
			verdict = lru_guess(cc, page);
		if (verdict >= 0 && verdict != PAGE_PERCPU &&
		    verdict != PAGE_BUSY) {
			compact_failed(cc, (enum compact_failure)verdict, pfn, nr);
			return true;
		}
		pfn = compact_advance(pfn, nr, block->end_pfn);
	}
	return false;
}

/*
 * A dirty page can move without being written if its filesystem says how.
 * Truncation takes the mapping away under the page lock.
 */
static enum page_verdict dirty_verdict(struct page *page)
{
	struct address_space *mapping;
	bool can_move;

	if (!trylock_page(page))
		return PAGE_LOCKED;

	mapping = page_mapping(page);
	can_move = !mapping || mapping->a_ops->migrate_folio;
	unlock_page(page);

	return can_move ? PAGE_TAKEN : PAGE_DIRTY;
}

/* The caller holds a reference to the page, which is or was on an LRU list. */
static enum page_verdict lru_verdict(struct compact_control *cc,
				     struct page *page)
{
	struct address_space *mapping = page_mapping(page);

	if (has_other_users(cc, page, mapping))
		return PAGE_PINNED;
	if (mapping && !(cc->gfp_mask & __GFP_FS))
		return PAGE_NEEDS_FS;
	if (PageUnevictable(page) && !may_take_unevictable(cc))
		return PAGE_UNEVICTABLE;

	/* Only MIGRATE_SYNC waits for I/O or starts any. */
	if (cc->mode == MIGRATE_SYNC)
		return PAGE_TAKEN;
	if (PageWriteback(page))
		return PAGE_WRITEBACK;
	if (PageDirty(page))
		return dirty_verdict(page);

	return PAGE_TAKEN;
}

/*
 * Make the page ours: hold a reference, and clear PG_lru so that neither
 * reclaim nor another run takes it off its list.
 *
 * The reference comes first. It fails for a page that is being freed and for
 * the tail of a compound page that was put together since the first look; once
 * it is held the page cannot become either.
 */
static enum page_verdict claim_lru_page(struct compact_control *cc,
					struct page *page)
{
	enum page_verdict verdict = PAGE_BUSY;

	if (!get_page_unless_zero(page))
		return PAGE_PERCPU;

	if (PageCompound(page) && !cc->alloc_contig)
		verdict = PAGE_HUGE;
	else if (PageLRU(page))
		verdict = lru_verdict(cc, page);

	if (verdict == PAGE_TAKEN && !TestClearPageLRU(page))
		verdict = PAGE_BUSY;
	if (verdict != PAGE_TAKEN)
		put_page(page);

	return verdict;
}

static void lock_lruvec(struct compact_control *cc, struct lruvec *lruvec,
			unsigned long *flags)
	__acquires(&lruvec->lru_lock)
{
	/*
	 * An asynchronous run ends where it would be in somebody's way. The
	 * claimed pages are to be unlinked first, so it takes the lock once
	 * more, and reports.
	 */
	if (cc->mode == MIGRATE_ASYNC) {
		if (spin_trylock_irqsave(&lruvec->lru_lock, *flags))
			return;
		cc->contended = true;
	}
	spin_lock_irqsave(&lruvec->lru_lock, *flags);
}

/*
 * Unlink claimed pages from @i on that are all in one lruvec, and count them as
 * isolated. The cleared PG_lru keeps them there. Returns the first that is in
 * another lruvec.
 */
static unsigned int isolate_from_one_lruvec(struct compact_control *cc,
					    struct claimed_pages *claimed,
					    unsigned int i)
{
	struct lruvec *lruvec = folio_lruvec(page_folio(claimed->page[i]));
	unsigned long flags;

	lock_lruvec(cc, lruvec, &flags);
	do {
		struct page *page = claimed->page[i];

		lruvec_memcg_debug(lruvec, page_folio(page));
		del_page_from_lru_list(page, lruvec);
		mod_node_page_state(page_pgdat(page),
				    NR_ISOLATED_ANON + page_is_file_lru(page),
				    thp_nr_pages(page));
		list_add(&page->lru, &cc->migratepages);
	} while (++i < claimed->nr &&
		 folio_lruvec(page_folio(claimed->page[i])) == lruvec);
	spin_unlock_irqrestore(&lruvec->lru_lock, flags);

	return i;
}

static void isolate_claimed(struct compact_control *cc,
			    struct claimed_pages *claimed)
{
	unsigned int i = 0;

	while (i < claimed->nr)
		i = isolate_from_one_lruvec(cc, claimed, i);
}

/*
 * For a given range, a hugetlb page is moved or, if nobody uses it, dissolved
 * and replaced. Its pages are free then and are to be looked at again, so *@nr
 * is 0. An error means that the whole range has to be given up; a page that is
 * merely busy is passed over.
 */
static int isolate_hugetlb_page(struct compact_control *cc, struct page *page,
				unsigned long *nr)
{
	int ret = isolate_or_dissolve_huge_page(page, &cc->migratepages);

	if (ret && ret != -EBUSY)
		return ret;

	*nr = 0;
	if (PageHuge(page)) {
		*nr = rest_of_compound(page);
		if (!ret)
			cc->nr_migratepages += compound_nr(compound_head(page));
		else
			compact_failed(cc, COMPACT_FAIL_BUSY,
				       page_to_pfn(page), *nr);
	}
	return 0;
}

static enum page_verdict take_driver_page(struct compact_control *cc,
					  struct page *page)
{
	isolate_mode_t mode = ISOLATE_UNEVICTABLE;

	if (cc->mode == MIGRATE_ASYNC)
		mode |= ISOLATE_ASYNC_MIGRATE;
	if (isolate_movable_page(page, mode))
		return PAGE_BUSY;

	list_add(&page->lru, &cc->migratepages);
	return PAGE_TAKEN;
}

static enum page_verdict take_page(struct compact_control *cc,
				   struct page *page,
				   struct claimed_pages *claimed,
				   unsigned long *nr)
{
	enum page_verdict verdict = page_verdict(cc, page, nr);

	if (verdict != PAGE_TAKEN)
		return verdict;
	if (!PageLRU(page))
		return take_driver_page(cc, page);

	verdict = claim_lru_page(cc, page);
	if (verdict == PAGE_TAKEN)
		claimed->page[claimed->nr++] = page;
	return verdict;
}

/*
 * Leave the range of cc->order that a page has spoiled: what has been taken of it
 * would move for nothing. Claimed pages are on their LRU lists still, and need but
 * their flag; only the unevictable ones may have to go to another list, if they
 * have been unlocked meanwhile and munlock() could not take them. Returns how far
 * it is to the end of the range.
 *
 * A batch is never of more than one range then, see batch_complete().
 */
static unsigned long leave_range(struct compact_control *cc,
				 struct claimed_pages *claimed)
{
	unsigned long pfn = cc->migrate_pfn;

	while (claimed->nr) {
		struct page *page = claimed->page[claimed->nr - 1];

		if (PageUnevictable(page)) {
			isolate_claimed(cc, claimed);
			break;
		}
		claimed->nr--;
		SetPageLRU(page);
		put_page(page);
	}
	claimed->nr = 0;
	putback_movable_pages(&cc->migratepages);
	cc->nr_migratepages = 0;

	return ALIGN(pfn + 1, 1UL << cc->order) - pfn;
}

/*
 * Deal with the page at cc->migrate_pfn and set *@nr to how many pages that
 * settles. A page that is taken is counted in cc->nr_migratepages.
 */
static int isolate_one(struct compact_control *cc, struct page *page,
		       struct claimed_pages *claimed, unsigned long *nr)
{
	enum page_verdict verdict;

	if (cc->alloc_contig && PageHuge(page))
		return isolate_hugetlb_page(cc, page, nr);

	verdict = take_page(cc, page, claimed, nr);
	switch (verdict) {
	case PAGE_TAKEN:
		*nr = compound_nr(page);
		cc->nr_migratepages += *nr;
		break;
	case PAGE_FREE:
		break;
	default:
		compact_failed(cc, (enum compact_failure)verdict,
			       cc->migrate_pfn, *nr);
		if (cc->skip_spoiled)
			*nr = max(*nr, leave_range(cc, claimed));
	}
	return 0;
}

/*
 * So many pages off their lists that reclaim could find nothing to do and call
 * for the OOM killer? The bound is the one that reclaim sets itself, and those
 * who wait for it to be kept are woken from here too.
 */
static bool too_many_isolated(pg_data_t *pgdat)
{
	unsigned long isolated, listed;

	isolated = node_page_state(pgdat, NR_ISOLATED_ANON) +
		   node_page_state(pgdat, NR_ISOLATED_FILE);
	listed = node_page_state(pgdat, NR_ACTIVE_ANON) +
		 node_page_state(pgdat, NR_INACTIVE_ANON) +
		 node_page_state(pgdat, NR_ACTIVE_FILE) +
		 node_page_state(pgdat, NR_INACTIVE_FILE);
	if (isolated > listed / 2)
		return true;

	wake_throttle_isolated(pgdat);
	return false;
}

/*
 * Reclaim stops nobody for whom others may wait, such as kernel threads: these
 * would look again and again. They sleep as long as all others do at a time, but
 * not for ever.
 */
static bool throttle_task(struct compact_control *cc, unsigned int times)
{
	reclaim_throttle(cc->zone->zone_pgdat, VMSCAN_THROTTLE_ISOLATED);
	if (!(current->flags & (PF_KTHREAD | PF_IO_WORKER)))
		return true;
	if (times >= MAX_THROTTLED && !cc->alloc_contig)
		return false;
	schedule_timeout_killable(HZ / 50);
	return true;
}

/**
 * throttle_isolation - wait until not too many pages are isolated
 * @cc: the run
 *
 * To be called before each isolate_source(), outside of compact_scan_begin(): it
 * may take long.
 *
 * Context: process context, no spinlock held; may sleep.
 * Return: 0; -EAGAIN if that has to wait for somebody else; -EINTR if the task has
 * been killed.
 */
int throttle_isolation(struct compact_control *cc)
{
	pg_data_t *pgdat = cc->zone->zone_pgdat;
	unsigned int times = 0;

	while (unlikely(too_many_isolated(pgdat))) {
		/*
		 * To wait with pages in hand would be to wait for oneself; to
		 * wait with a filesystem's locks, for those who wait for them.
		 * Who needs a given range would try again at once.
		 */
		if (cc->nr_migratepages || cc->mode == MIGRATE_ASYNC ||
		    (!(cc->gfp_mask & __GFP_FS) && !cc->alloc_contig))
			return -EAGAIN;

		if (!throttle_task(cc, times++))
			return -EAGAIN;
		if (compact_should_stop(cc))
			return -EINTR;
	}
	return compact_should_stop(cc) ? -EINTR : 0;
}

/* Migrate what there is before going on? */
static bool batch_complete(struct compact_control *cc)
{
	if (cc->nr_migratepages >= COMPACT_CLUSTER_MAX)
		return true;

	return cc->skip_spoiled && cc->nr_migratepages &&
	       IS_ALIGNED(cc->migrate_pfn, 1UL << cc->order);
}

/**
 * isolate_source - take a batch of movable pages out of a block
 * @cc: the run; the scan starts at cc->migrate_pfn and leaves there the first
 *	pfn that it has not looked at
 * @end_pfn: end of the block; all pages up to there are in cc->zone
 *
 * Adds the pages to cc->migratepages and cc->nr_migratepages and stops when
 * there are COMPACT_CLUSTER_MAX or more, or with cc->skip_spoiled at the end of
 * an aligned range of cc->order of which there are any. They count as isolated
 * (NR_ISOLATED_ANON, NR_ISOLATED_FILE) until they are migrated or given to
 * putback_movable_pages(), one of which the caller owes them, also on error.
 *
 * Context: process context, no spinlock held; may sleep. Takes lru_lock, and
 * the page lock of single pages by trylock.
 * Return: 0; -EINTR if the task has been killed; -ENOMEM if a huge page could be
 * neither moved nor replaced.
 */
int isolate_source(struct compact_control *cc, unsigned long end_pfn)
{
	struct claimed_pages claimed = { .nr = 0 };
	unsigned long start_pfn = cc->migrate_pfn;
	unsigned int had = cc->nr_migratepages;
	unsigned int looks = 0;
	unsigned long nr;
	int ret = 0;

	while (cc->migrate_pfn < end_pfn && !batch_complete(cc)) {
		if (++looks % COMPACT_CLUSTER_MAX == 0 &&
		    compact_should_stop(cc)) {
			ret = -EINTR;
			break;
		}

		ret = isolate_one(cc, pfn_to_page(cc->migrate_pfn), &claimed,
				  &nr);
		if (ret)
			break;
		cc->migrate_pfn = compact_advance(cc->migrate_pfn, nr, end_pfn);
	}

	isolate_claimed(cc, &claimed);

	cc->total_migrate_scanned += looks;
	trace_mm_compaction_isolate_migratepages(start_pfn, cc->migrate_pfn,
						 looks,
						 cc->nr_migratepages - had);
	count_isolated(cc->nr_migratepages - had);
	return ret;
}
