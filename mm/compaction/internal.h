/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory compaction: the way of a page through this folder.
 *
 *   direct.c  trigger.c  kcompactd.c     an allocation that fails, an
 *       \         |         /            administrator, a daemon per node
 *        \        |        /
 *       suitable.c, defer.c       is it of use? did it fail just now?
 *                |                (extfrag.c: is fragmentation to blame?)
 *                v
 *             zone.c              one run over one zone: block after block,
 *            /   |   \            batch after batch, until nothing is left to
 *           v    |    v           do or the caller has what it wanted
 *   cheapest.c   |   cheapest.c   which block to empty?   which one to fill?
 *        |       |        |       (claim.c, index.c: which is how full, and
 *        |       |        |       who has it? choose.c: what will do at all)
 *        v       |        v
 *    source.c    |    target.c    take movable pages     take free pages off
 *        |       |        |       off their LRU list     the buddy lists
 *        |       v        |
 *        +-> migrate.c <--+       copy, remap, and free the old page, which
 *                                 merges with its free neighbours
 *
 * why.c counts what could not be moved, and why. contig.c walks a given range
 * with the same scanner for alloc_contig_range(); movable.c is how a driver
 * says that a page of its own may move; offline.c keeps memory from going offline
 * under a scanner. range.c finds what to empty if less than a block is wanted.
 *
 * Choosing a block and working on it are kept apart: source.c and target.c are
 * given a block and never ask where it came from, and a policy in cheapest.c or
 * choose.c never touches a page's state. Only when target.c goes over the free
 * lists does it ask the policy about each page.
 *
 * A page is in exactly one of these places, and each failing path leads back
 * to the first of its row:
 *
 *   to be moved:  LRU list -> claimed (PG_lru clear, a reference held, not yet
 *                 unlinked) -> cc->migratepages -> freed (or back on its LRU)
 *   to be filled: buddy list -> cc->freepages[order] -> prepared for the copy
 *                 -> in use (or cc->spare, and freed at the end of the run)
 *
 * Pages on cc->freepages have a reference count of 0, as they had on the buddy
 * list, and have not been through post_alloc_hook(): most of those that turn
 * out not to be needed go back to the buddy list as they came, and merge there.
 *
 * Locks. The run takes two, never both at once, each with interrupts off and
 * for at most COMPACT_CLUSTER_MAX pages:
 *
 *   lruvec->lru_lock	to unlink a batch of pages from its LRU lists
 *   zone->lock		to take free pages and to give them back, and to look
 *			at entries of the index, a few of each bucket, or at the
 *			other halves of a few free pages (range.c, for some more)
 *
 * Neither is held across a call into migration, which takes the page lock and,
 * below it, the rmap locks. Dropping a page reference can take lru_lock, so no
 * reference is dropped under either lock.
 *
 * The two scanners and the run that drives them come from Mel Gorman's
 * "Memory Compaction" series of April 2010.
 */
#ifndef _MM_COMPACTION_INTERNAL_H
#define _MM_COMPACTION_INTERNAL_H

#include <linux/compaction.h>
#include <linux/sched/signal.h>
#include <linux/srcu.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include "../internal.h"

/**
 * struct compact_policy - which block next
 * @begin: called once, before anything else
 * @next_source: find the next block to empty and put it in cc->source
 * @next_target: find the next block to fill and put it in cc->target
 * @use_lists: whether free pages are to be taken just as they come on the free lists,
 *	besides those of the blocks that @next_target names; may be NULL
 * @may_fill: whether a page that is met there may be taken, by what the index knows of
 *	its block; zone->lock is held
 * @listed: so many pages have been looked at there, and so many taken
 * @end: called once, after the last block; says whether every block of the zone
 *	has had its turn, and remembers what is worth it
 *
 * Both finders return false when there is none left, which ends the run. They
 * are called without locks, may sleep, and must come to an end.
 */
struct compact_policy {
	void (*begin)(struct compact_control *cc);
	bool (*next_source)(struct compact_control *cc);
	bool (*next_target)(struct compact_control *cc);
	bool (*use_lists)(struct compact_control *cc);
	bool (*may_fill)(struct compact_control *cc,
			 const struct compact_entry *entry);
	void (*listed)(struct compact_control *cc, unsigned int looks,
		       unsigned int pages);
	bool (*end)(struct compact_control *cc);
};

/* offline.c: from a look at a block's type to the end of the scan */
#ifdef CONFIG_MEMORY_HOTREMOVE
extern struct srcu_struct compact_scans;

static inline int compact_scan_begin(void)
{
	return srcu_read_lock(&compact_scans);
}

static inline void compact_scan_end(int idx)
{
	srcu_read_unlock(&compact_scans, idx);
}
#else
static inline int compact_scan_begin(void)
{
	return 0;
}

static inline void compact_scan_end(int idx)
{
}
#endif

/* choose.c */
extern const struct compact_policy compact_linear;
bool compact_source_suitable(struct compact_control *cc,
			     const struct compact_block *block);
bool compact_target_suitable(struct compact_control *cc,
			     const struct compact_block *block);

extern const struct compact_policy compact_cheapest;

/* index.c */
static inline unsigned long compact_index_pfn(u32 block)
{
	return (unsigned long)block << pageblock_order;
}

/* Is it in a ring? */
static inline bool compact_index_filed(const struct compact_entry *entry)
{
	return entry->ring != COMPACT_RING_NONE &&
	       entry->ring != COMPACT_RING_CLAIMED;
}

unsigned int compact_bucket(unsigned int free);
struct compact_entry *compact_index_entry(struct zone *zone, u32 block);
enum compact_ring compact_index_ring(struct zone *zone,
				     const struct compact_entry *entry, u32 block);
void compact_index_file(struct zone *zone, struct compact_entry *entry,
			u32 block);
void compact_index_unfile(struct zone *zone, struct compact_entry *entry,
			  u32 block);

/* claim.c */
/* A block with so many free pages is worth scanning for them. */
#define COMPACT_SCAN_WORTH	(pageblock_nr_pages / 4)

/*
 * How long blocks are parked is a multiple of this. An entry that nobody looks at for
 * as long as it takes to count to COMPACT_PARK_UNITS may be parked for longer than it
 * should.
 */
#define COMPACT_PARK_JIFFIES	max(HZ / 8, 1)
#define COMPACT_PARK_UNITS	BIT(9)

/* What has become of a block that a run had claimed. */
enum compact_block_end {
	COMPACT_BLOCK_AS_IT_IS,		/* to be chosen again, by anybody */
	COMPACT_BLOCK_PASSED,		/* by a run that begins later or may do more */
	COMPACT_BLOCK_FAILED,		/* by a run that begins later */
	COMPACT_BLOCK_RANGE_FAILED,	/* the same, and it stays parked if it was */
	COMPACT_BLOCK_SPOILED,		/* by nobody, for a while */
};

/**
 * struct compact_wish - what kind of block is to be emptied
 * @began: of compact_index_begin(); blocks that have been tried since are left out
 * @weak: also those that were tried by somebody who may not move as much as others
 * @from: the bucket to begin with
 * @ring: %COMPACT_RING_MOVABLE or %COMPACT_RING_OTHER
 * @both: if a block of the other kind is cheaper, that one
 * @parked: if there is none, one that is parked
 * @full: if there is none either, one for movable pages that is full, if the parked ones
 *	have room for what is in it
 */
struct compact_wish {
	u32 began;
	bool weak;
	unsigned int from;
	enum compact_ring ring;
	bool both;
	bool parked;
	bool full;
};

/**
 * struct compact_limit - how many free pages may a block have that is to be filled?
 * @free: one that may be emptied itself
 * @parked: one that is parked
 */
struct compact_limit {
	unsigned int free;
	unsigned int parked;
};

/**
 * struct compact_claim - a block that a run has claimed
 * @block: which
 * @free: how many of its pages were free then
 * @parked: whether it was parked
 * @suspect: whether it has ever been since it was last wholly free
 */
struct compact_claim {
	struct compact_block block;
	unsigned int free;
	bool parked;
	bool suspect;
};

bool compact_index_tried(struct zone *zone, const struct compact_entry *entry,
			 const struct compact_wish *wish);
bool compact_index_take(struct zone *zone, struct compact_entry *entry, u32 number,
			struct compact_claim *claim);
u32 compact_index_begin(struct zone *zone);
bool compact_index_claim_source(struct zone *zone, const struct compact_wish *wish,
				struct compact_claim *claim);
bool compact_index_claim_target(struct zone *zone,
				const struct compact_limit *limit,
				struct compact_claim *claim);
bool compact_index_claim_target_at(struct zone *zone, unsigned long pfn,
				   const struct compact_limit *limit,
				   struct compact_claim *claim);
bool compact_index_worth_scanning(struct zone *zone,
				  const struct compact_limit *limit);
void compact_index_release(struct zone *zone, unsigned long pfn,
			   enum compact_block_end how);

/* range.c */
bool compact_claim_range(struct compact_control *cc, int migratetype,
			 const struct compact_wish *wish, struct compact_claim *claim);

/* index_check.c */
#ifdef CONFIG_COMPACTION_INDEX_CHECK
bool compact_index_check_block(struct zone *zone, unsigned long pfn);
unsigned long compact_index_check(struct zone *zone);
#else
static inline bool compact_index_check_block(struct zone *zone,
					     unsigned long pfn)
{
	return true;
}
#endif

/* source.c */
/*
 * What a look at a page says about moving it. All but the first two are reasons
 * why not; they keep their numbers as such, see compact_failed().
 */
enum page_verdict {
	PAGE_TAKEN		= -1,	/* isolated, or may well be */
	PAGE_FREE		= -2,	/* on a buddy list */
	PAGE_UNMOVABLE		= COMPACT_FAIL_UNMOVABLE,
	PAGE_HUGE		= COMPACT_FAIL_HUGE,
	PAGE_PERCPU		= COMPACT_FAIL_PERCPU,
	PAGE_BUSY		= COMPACT_FAIL_BUSY,
	PAGE_PINNED		= COMPACT_FAIL_PINNED,
	PAGE_NEEDS_FS		= COMPACT_FAIL_FILE,
	PAGE_UNEVICTABLE	= COMPACT_FAIL_MLOCKED,
	PAGE_WRITEBACK		= COMPACT_FAIL_WRITEBACK,
	PAGE_DIRTY		= COMPACT_FAIL_DIRTY,
	PAGE_LOCKED		= COMPACT_FAIL_LOCKED,
};

int throttle_isolation(struct compact_control *cc);
int isolate_source(struct compact_control *cc, unsigned long end_pfn);
bool source_obstacle(struct compact_control *cc, const struct compact_block *block);
enum page_verdict page_verdict(struct compact_control *cc, struct page *page,
			       unsigned long *nr);
enum page_verdict page_left_verdict(struct page *page);

/* target.c */
void compact_targets_init(struct compact_control *cc);
void isolate_target(struct compact_control *cc, struct compact_block *block,
		    unsigned int want);
struct page *compaction_alloc(struct page *src, unsigned long data);
void compaction_free(struct page *page, unsigned long data);
void release_targets(struct compact_control *cc);

#ifdef CONFIG_COMPACTION
/* Was even a base page refused, so that there is no target although pages are free? */
static inline bool compact_at_watermark(struct compact_control *cc)
{
	return !cc->refused_order;
}
#endif

/* zone.c */
enum compact_result compact_zone(struct compact_control *cc);

/* suitable.c */
bool compact_room(struct zone *zone, int order, int highest_zoneidx,
		  unsigned long nr_free);
enum compact_result compact_verdict(struct zone *zone, int order,
				    unsigned int alloc_flags,
				    int highest_zoneidx);

/* defer.c */
bool compact_deferred(struct zone *zone, int order);
void compact_defer(struct zone *zone, int order);

/* kcompactd.c */
unsigned int compact_node_score(pg_data_t *pgdat);
unsigned int compact_score_to_reach(unsigned int proactiveness);
unsigned int compact_score_to_begin(unsigned int proactiveness);

/* why.c */
#ifdef CONFIG_COMPACTION
void compact_failed(struct compact_control *cc, enum compact_failure why,
		    unsigned long pfn, unsigned long nr);
void compact_failed_run(struct zone *zone, enum compact_failure why);
void compact_block_done(struct compact_control *cc);
void compact_flush_failures(struct compact_control *cc);
#else
/* Built with CONFIG_CMA alone nobody counts. */
static inline void compact_failed(struct compact_control *cc,
				  enum compact_failure why, unsigned long pfn,
				  unsigned long nr)
{
}

static inline void compact_block_done(struct compact_control *cc)
{
}

static inline void compact_flush_failures(struct compact_control *cc)
{
}
#endif

/* Built with CONFIG_CMA alone the scanners do not count. */
static inline void count_isolated(unsigned long nr)
{
#ifdef CONFIG_COMPACTION
	count_vm_events(COMPACTISOLATED, nr);
#endif
}

/*
 * The pages that a scanner's step says it has dealt with may reach beyond the
 * block: an order read without the lock can be stale.
 */
static inline unsigned long compact_advance(unsigned long pfn, unsigned long nr,
					    unsigned long end_pfn)
{
	return min(pfn + nr, end_pfn);
}

/*
 * To be called between steps, with no lock held. Returns true if the task has
 * been killed and the run must end.
 */
static inline bool compact_should_stop(struct compact_control *cc)
{
	cond_resched();
	if (!fatal_signal_pending(current))
		return false;

	cc->contended = true;
	return true;
}

#endif /* _MM_COMPACTION_INTERNAL_H */
