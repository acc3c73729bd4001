/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the indices are computed from. They stand on the free lists alone, and need
 * nothing of a compaction run.
 */
#ifndef _MM_COMPACTION_EXTFRAG_H
#define _MM_COMPACTION_EXTFRAG_H

#include <linux/types.h>

struct zone;

/**
 * struct free_summary - the free lists of a zone, summed up for one order
 * @pages: free base pages
 * @blocks: free pages of any order, each counted as one
 * @suitable: free base pages that are part of a free page of the order or more
 */
struct free_summary {
	u64 pages;
	u64 blocks;
	u64 suitable;
};

void compact_count_free(struct zone *zone, unsigned int order,
			struct free_summary *free);
int compact_extfrag_index(const struct free_summary *free, unsigned int order);
unsigned int compact_unusable_index(const struct free_summary *free);

#endif /* _MM_COMPACTION_EXTFRAG_H */
