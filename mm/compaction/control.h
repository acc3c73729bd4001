/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one compaction run knows, and the two range scans that
 * alloc_contig_range() shares with it. Included by mm/internal.h.
 */
#ifndef _MM_COMPACTION_CONTROL_H
#define _MM_COMPACTION_CONTROL_H

#include <linux/compaction.h>
#include <linux/compaction_zone.h>
#include <linux/list.h>
#include <linux/migrate_mode.h>
#include <linux/mmzone.h>

struct compact_policy;

/* Pages of one pageblock and one zone: [start_pfn, end_pfn). */
struct compact_block {
	unsigned long start_pfn;
	unsigned long end_pfn;
};

/**
 * struct compact_control - one run over one zone
 * @zone: the zone; a run never leaves it
 * @order: the order that is wanted; -1: no page in particular
 * @migratetype: for whom that page has to be suitable (only with an @order)
 * @gfp_mask: the allocation context; without __GFP_FS, file pages stay
 * @mode: how long migration may block
 * @alloc_contig: the caller wants a given range, so huge pages move as well
 * @contended: somebody else needed a lock, or a fatal signal came: give up
 * @from_the_ends: begin anew, whatever earlier runs have done and have parked
 * @whole_blocks: a block of which something stays is of no use
 * @any_target: use blocks of every type as targets: this is the last resort
 * @skip_spoiled: once a page cannot be moved, leave the rest of the aligned
 *	range of @order that it spoils
 * @goal: says %COMPACT_CONTINUE or how the run ends; NULL: a page of @order is
 *	free, or with an @order of -1 never
 * @verdict: what @goal said before the next block was chosen, or while it was: a
 *	policy that asks meanwhile keeps the answer here
 * @capture: where the page that is wanted is kept for the caller, or NULL
 * @migratepages: isolated pages that are to move
 * @nr_migratepages: number of base pages on @migratepages
 * @migrate_pfn: the first pfn that the migration scanner has not looked at
 * @total_migrate_scanned: looks that the migration scanner took at a page
 * @policy: who says which block comes next
 * @source: the block that is being emptied
 * @target: the block that is being filled, from the first pfn not looked at
 * @linear: how far the linear policy has come, how far others with it, whether it
 *	went on from where an earlier run stopped, and whether it goes its own way
 * @cheapest: the cheapest-first policy's beginning and how many blocks it has tried,
 *	the bucket of the last, what may be filled, how many targets in a row have
 *	given nothing, how many full sources in a row it has left alone, how many ranges
 *	smaller than a block it has asked for and whether @source is one, what it has
 *	claimed, and whether others had claims when there was none left
 * @freepages: free pages taken from the buddy lists, by order, not prepared
 * @spare: prepared order-0 pages that migration handed back
 * @nr_freepages: number of base pages on @freepages
 * @target_taken: number of base pages that @target has given
 * @total_free_scanned: pages that the free scanner has gone over
 * @refused_order: free pages of this order or more have been refused, to keep
 *	the zone above its watermark
 * @failed_pages: how many pages could not be moved, by reason; see why.c
 * @failed_here: bits of the reasons met in the block that is being emptied
 * @failed_last: the same of the one before
 * @failed_blocks: in how many blocks each reason was met
 *
 * Lives on the stack of the compacting task and belongs to it alone: no lock.
 */
struct compact_control {
	struct zone *zone;
	int order;
	int migratetype;
	gfp_t gfp_mask;
	enum migrate_mode mode;
	bool alloc_contig;
	bool contended;
	bool from_the_ends;
	bool whole_blocks;
	bool any_target;
	bool skip_spoiled;
	enum compact_result (*goal)(struct compact_control *cc);
	enum compact_result verdict;
	struct capture_control *capture;

	struct list_head migratepages;
	unsigned int nr_migratepages;
	unsigned long migrate_pfn;
	unsigned long total_migrate_scanned;

#ifdef CONFIG_COMPACTION
	const struct compact_policy *policy;
	struct compact_block source;
	struct compact_block target;
	struct {
		unsigned long source_end;
		unsigned long target_start;
		unsigned long furthest;
		bool resumed;
		bool alone;
	} linear;
	struct {
		u32 began;
		unsigned long tries;
		unsigned int from;
		unsigned int free_limit;
		unsigned int parked_limit;
		unsigned int barren;
		unsigned int full_left;
		unsigned int ranges;
		bool range;
		bool source;
		bool target;
		bool missed;
	} cheapest;

	struct list_head freepages[MAX_ORDER];
	struct list_head spare;
	unsigned int nr_freepages;
	unsigned int target_taken;
	unsigned long total_free_scanned;
	unsigned int refused_order;

	unsigned long failed_pages[NR_COMPACT_FAILURES];
	unsigned long failed_here;
	unsigned long failed_last;
	unsigned int failed_blocks[NR_COMPACT_FAILURES];
#endif
};

/**
 * struct capture_control - the free page that a compacting task waits for
 * @zone: where it has to be
 * @order: of what order
 * @migratetype: for what use
 * @page: the page, once it has been taken
 *
 * While current->capture_control points here, the buddy allocator leaves the
 * first page that becomes free on this CPU in the task's context, or in an
 * interrupt on top of it, to the task instead of putting it on its free list.
 */
struct capture_control {
	struct zone *zone;
	unsigned int order;
	int migratetype;
	struct page *page;
};

int isolate_migratepages_range(struct compact_control *cc,
			       unsigned long low_pfn, unsigned long end_pfn);
unsigned long isolate_freepages_range(struct compact_control *cc,
				      unsigned long start_pfn,
				      unsigned long end_pfn);

/* mm/page_alloc.c */
int __alloc_contig_migrate_range(struct compact_control *cc,
				 unsigned long start, unsigned long end);

#endif /* _MM_COMPACTION_CONTROL_H */
