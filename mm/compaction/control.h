/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one compaction run knows, and the two range scans that
 * alloc_contig_range() shares with it. Included by mm/internal.h.
 */
#ifndef _MM_COMPACTION_CONTROL_H
#define _MM_COMPACTION_CONTROL_H

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
 * @order: stop once a free page of this order exists; -1: do the whole zone
 * @migratetype: for whom that page has to be suitable (only with an @order)
 * @gfp_mask: the allocation context; without __GFP_FS, file pages stay
 * @mode: how long migration may block
 * @alloc_contig: the caller wants a given range, so huge pages move as well
 * @contended: somebody else needed a lock, or a fatal signal came: give up
 * @migratepages: isolated pages that are to move
 * @nr_migratepages: number of base pages on @migratepages
 * @migrate_pfn: the first pfn that the migration scanner has not looked at
 * @total_migrate_scanned: looks that the migration scanner took at a page
 * @policy: who says which block comes next
 * @source: the block that is being emptied
 * @target: the block that is being filled, from the first pfn not looked at
 * @linear: how far the linear policy has come from either end of the zone
 * @freepages: free pages taken from the buddy lists, by order, not prepared
 * @spare: prepared order-0 pages that migration handed back
 * @nr_freepages: number of base pages on @freepages
 * @total_free_scanned: pages that the free scanner has gone over
 * @watermark_hit: a free page was refused to keep the zone above its watermark
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
	} linear;

	struct list_head freepages[MAX_ORDER];
	struct list_head spare;
	unsigned int nr_freepages;
	unsigned long total_free_scanned;
	bool watermark_hit;
#endif
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
