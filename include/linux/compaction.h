/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory compaction: what the rest of the kernel may ask of it. The work is
 * done in mm/compaction/, whose internal.h shows how.
 */
#ifndef _LINUX_COMPACTION_H
#define _LINUX_COMPACTION_H

#include <linux/types.h>

struct alloc_context;
struct node;
struct page;
struct pglist_data;
struct zone;

/**
 * enum compact_priority - how much trouble a failing allocation is worth
 * @COMPACT_PRIO_SYNC_FULL: as @COMPACT_PRIO_SYNC_LIGHT, from end to end of each
 *	zone, however it went before, filling all but the atomic reserve
 * @COMPACT_PRIO_SYNC_LIGHT: wait for page locks, not for I/O
 * @COMPACT_PRIO_ASYNC: wait for nobody
 *
 * @INIT_COMPACT_PRIORITY: where attempts begin
 * @DEF_COMPACT_PRIORITY: where they go on once reclaim has been tried
 * @MIN_COMPACT_COSTLY_PRIORITY: how far they go for an order that is costly
 * @MIN_COMPACT_PRIORITY: how far they go for any other
 *
 * As with reclaim, the smaller the number the harder the attempt.
 */
enum compact_priority {
	COMPACT_PRIO_SYNC_FULL		= 0,
	COMPACT_PRIO_SYNC_LIGHT		= 1,
	COMPACT_PRIO_ASYNC		= 2,

	INIT_COMPACT_PRIORITY		= COMPACT_PRIO_ASYNC,
	DEF_COMPACT_PRIORITY		= COMPACT_PRIO_SYNC_LIGHT,
	MIN_COMPACT_COSTLY_PRIORITY	= COMPACT_PRIO_SYNC_LIGHT,
	MIN_COMPACT_PRIORITY		= COMPACT_PRIO_SYNC_FULL,
};

/**
 * enum compact_result - how an attempt ended, or why there was none
 * @COMPACT_NOT_SUITABLE_ZONE: for tracing: fragmentation is not to blame
 * @COMPACT_SKIPPED: not tried: there is too little free memory to work with,
 *	fragmentation is not to blame, or the allocation's flags forbid it
 * @COMPACT_DEFERRED: not tried: it failed a short while ago
 * @COMPACT_NO_SUITABLE_PAGE: for tracing: no page of the order so far
 * @COMPACT_CONTINUE: not ended: the next block is due
 * @COMPACT_COMPLETE: every block was dealt with, and it was not enough
 * @COMPACT_PARTIAL_SKIPPED: this run has not dealt with all blocks itself
 * @COMPACT_CONTENDED: gave way to others, to the watermark or to a fatal signal
 * @COMPACT_SUCCESS: the allocation should succeed now, or without
 *
 * Tracepoints show the names and, raw, the values, which are fixed therefore.
 */
enum compact_result {
	COMPACT_NOT_SUITABLE_ZONE	= 0,
	COMPACT_SKIPPED			= 1,
	COMPACT_DEFERRED		= 2,
	COMPACT_NO_SUITABLE_PAGE	= 3,
	COMPACT_CONTINUE		= 4,
	COMPACT_COMPLETE		= 5,
	COMPACT_PARTIAL_SKIPPED		= 6,
	COMPACT_CONTENDED		= 7,
	COMPACT_SUCCESS			= 8,
};

/**
 * compact_gap - free pages that compaction needs to have room to work in
 * @order: the order that is wanted
 *
 * Pages are copied before their old places become free, and the free pages
 * taken for that may be larger than what is needed. Twice the size of the page
 * that is to be made leaves enough for both.
 *
 * Return: a number of base pages.
 */
static inline unsigned long compact_gap(unsigned int order)
{
	return 2UL << order;
}

#ifdef CONFIG_COMPACTION

extern int sysctl_compact_unevictable_allowed;
extern int sysctl_extfrag_threshold;
extern unsigned int sysctl_compaction_proactiveness;

/* extfrag.c */
int fragmentation_index(struct zone *zone, unsigned int order);
unsigned int extfrag_for_order(struct zone *zone, unsigned int order);

/* suitable.c */
enum compact_result compaction_suitable(struct zone *zone, int order,
					unsigned int alloc_flags,
					int highest_zoneidx);
bool compaction_zonelist_suitable(struct alloc_context *ac, int order,
				  int alloc_flags);

/* defer.c */
void compaction_defer_reset(struct zone *zone, int order, bool alloc_success);

/* direct.c */
enum compact_result try_to_compact_pages(gfp_t gfp_mask, unsigned int order,
					 unsigned int alloc_flags,
					 const struct alloc_context *ac,
					 enum compact_priority prio,
					 struct page **page);
bool should_compact_retry(struct alloc_context *ac, int order, int alloc_flags,
			  enum compact_result result,
			  enum compact_priority *prio, int *retries);

/*
 * What the results mean to an allocation that has to choose between another
 * attempt, reclaim, and giving up. Each result has one meaning:
 *
 *   SUCCESS				progress: try to allocate, and again
 *   COMPLETE				failed: no use to repeat it as it was
 *   SKIPPED				needs reclaim first
 *   DEFERRED, CONTENDED, PARTIAL	withdrawn: says little, so try harder
 */

/**
 * compaction_made_progress - did it lead to a free page, so that more may come?
 * @result: of try_to_compact_pages()
 *
 * Return: true if so.
 */
static inline bool compaction_made_progress(enum compact_result result)
{
	return result == COMPACT_SUCCESS;
}

/**
 * compaction_failed - was everything tried that can be at this priority?
 * @result: of try_to_compact_pages()
 *
 * Return: true if so.
 */
static inline bool compaction_failed(enum compact_result result)
{
	return result == COMPACT_COMPLETE;
}

/**
 * compaction_needs_reclaim - was there too little free memory to work in?
 * @result: of try_to_compact_pages()
 *
 * Return: true if so.
 */
static inline bool compaction_needs_reclaim(enum compact_result result)
{
	return result == COMPACT_SKIPPED;
}

/**
 * compaction_withdrawn - did it give way before it could know?
 * @result: of try_to_compact_pages()
 *
 * Return: true if so.
 */
static inline bool compaction_withdrawn(enum compact_result result)
{
	switch (result) {
	case COMPACT_DEFERRED:
	case COMPACT_CONTENDED:
	case COMPACT_PARTIAL_SKIPPED:
		return true;
	default:
		return false;
	}
}

#else /* CONFIG_COMPACTION */

static inline enum compact_result
compaction_suitable(struct zone *zone, int order, unsigned int alloc_flags,
		    int highest_zoneidx)
{
	return COMPACT_SKIPPED;
}

static inline bool compaction_made_progress(enum compact_result result)
{
	return false;
}

static inline bool compaction_failed(enum compact_result result)
{
	return false;
}

static inline bool compaction_needs_reclaim(enum compact_result result)
{
	return false;
}

static inline bool compaction_withdrawn(enum compact_result result)
{
	return true;
}

#endif /* CONFIG_COMPACTION */

#ifdef CONFIG_COMPACTION
/* kcompactd.c */
void pgdat_init_kcompactd(struct pglist_data *pgdat);
void kcompactd_run(int nid);
void kcompactd_stop(int nid);
void wakeup_kcompactd(struct pglist_data *pgdat, int order,
		      int highest_zoneidx);
#else
static inline void pgdat_init_kcompactd(struct pglist_data *pgdat)
{
}

static inline void kcompactd_run(int nid)
{
}

static inline void kcompactd_stop(int nid)
{
}

static inline void wakeup_kcompactd(struct pglist_data *pgdat, int order,
				    int highest_zoneidx)
{
}
#endif /* CONFIG_COMPACTION */

/* Nothing has to be reset from outside. */
static inline void reset_isolation_suitable(struct pglist_data *pgdat)
{
}

#if defined(CONFIG_COMPACTION) && defined(CONFIG_SYSFS) && defined(CONFIG_NUMA)
/* trigger.c */
int compaction_register_node(struct node *node);
void compaction_unregister_node(struct node *node);
#else
static inline int compaction_register_node(struct node *node)
{
	return 0;
}

static inline void compaction_unregister_node(struct node *node)
{
}
#endif

#endif /* _LINUX_COMPACTION_H */
