/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What compaction keeps in struct zone from one run to the next. Included by
 * linux/mmzone.h; for mm/compaction/ alone to read and write.
 */
#ifndef _LINUX_COMPACTION_ZONE_H
#define _LINUX_COMPACTION_ZONE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/types.h>

/**
 * enum compact_failure - why a page, a pageblock or a whole run got nowhere
 * @COMPACT_FAIL_UNMOVABLE: the kernel's own page: slab, page table, driver
 * @COMPACT_FAIL_HUGE: part of a larger page in use, which stays whole
 * @COMPACT_FAIL_PERCPU: free, but on a per-cpu list or just being freed
 * @COMPACT_FAIL_BUSY: off its LRU list, or in use in a way not listed here
 * @COMPACT_FAIL_PINNED: somebody holds a reference that migration cannot know
 * @COMPACT_FAIL_FILE: in the page or swap cache, and the caller cannot enter
 *	the filesystem (no __GFP_FS)
 * @COMPACT_FAIL_MLOCKED: unevictable, and compact_unevictable_allowed is 0
 * @COMPACT_FAIL_WRITEBACK: being written, and the caller does not wait
 * @COMPACT_FAIL_DIRTY: would have to be written before it could move
 * @COMPACT_FAIL_LOCKED: the page lock is taken, and the caller does not wait
 * @COMPACT_FAIL_TARGET: there was no free page to move to
 * @COMPACT_FAIL_WATERMARK: too little free memory to work in
 * @COMPACT_FAIL_THRESHOLD: the fragmentation index was not above
 *	extfrag_threshold, so lack of memory is to blame
 * @COMPACT_FAIL_CONTENDED: gave way: a lock was wanted by others, too many
 *	pages were isolated, or the task was killed
 * @COMPACT_FAIL_DEFERRED: not tried, since it failed a short while ago
 * @NR_COMPACT_FAILURES: number of the above
 *
 * Filters of the event go by the numbers, so a new reason comes last.
 */
enum compact_failure {
	COMPACT_FAIL_UNMOVABLE,
	COMPACT_FAIL_HUGE,
	COMPACT_FAIL_PERCPU,
	COMPACT_FAIL_BUSY,
	COMPACT_FAIL_PINNED,
	COMPACT_FAIL_FILE,
	COMPACT_FAIL_MLOCKED,
	COMPACT_FAIL_WRITEBACK,
	COMPACT_FAIL_DIRTY,
	COMPACT_FAIL_LOCKED,
	COMPACT_FAIL_TARGET,
	COMPACT_FAIL_WATERMARK,
	COMPACT_FAIL_THRESHOLD,
	COMPACT_FAIL_CONTENDED,
	COMPACT_FAIL_DEFERRED,
	NR_COMPACT_FAILURES
};

/**
 * struct compact_failure_count - how often one reason was met in a zone
 * @pages: base pages that stayed where they were, each time they were looked at
 * @blocks: pageblocks that were worked on and not emptied, each time
 * @runs: runs that ended for that reason, or were not begun
 */
struct compact_failure_count {
	atomic_long_t pages;
	atomic_long_t blocks;
	atomic_long_t runs;
};

/**
 * enum compact_ring - where the index has filed a pageblock
 * @COMPACT_RING_NONE: nowhere: wholly free, or not wholly in one zone
 * @COMPACT_RING_MOVABLE: among the blocks for movable pages and CMA
 * @COMPACT_RING_OTHER: among the blocks of the other types
 * @COMPACT_RING_PARKED: among those for movable pages that hold a page which could
 *	not be moved a short while ago
 * @COMPACT_RING_PARKED_OTHER: among those of the other types that do
 * @COMPACT_RING_CLAIMED: nowhere: a run works on it
 * @NR_COMPACT_RINGS: number of the above
 */
enum compact_ring {
	COMPACT_RING_NONE,
	COMPACT_RING_MOVABLE,
	COMPACT_RING_OTHER,
	COMPACT_RING_PARKED,
	COMPACT_RING_PARKED_OTHER,
	COMPACT_RING_CLAIMED,
	NR_COMPACT_RINGS
};

/**
 * struct compact_entry - what the index knows of a pageblock
 * @next: the block that follows in its ring, by number (pfn >> pageblock_order)
 * @prev: the block before it
 * @failed_at: the index's count of failures when somebody last tried to empty it and
 *	could not
 * @weakly: that one had to leave alone what others may move
 * @until: when it may be tried again, if it is parked; see mm/compaction/claim.c
 * @free: base pages on the buddy lists, of whatever type
 * @bucket: which of its ring's
 * @ring: enum compact_ring
 * @failures: how often it was parked, up to a bound
 * @parked: not to be emptied before @until
 * @eighths: how many eighths of it were free when it was parked, rounded down
 *
 * Protected by zone->lock.
 */
struct compact_entry {
	u32 next;
	u32 prev;
	u32 failed_at : 22;
	u32 weakly : 1;
	u32 until : 9;
	u16 free;
	u16 bucket : 6;
	u16 ring : 3;
	u16 failures : 3;
	u16 parked : 1;
	u16 eighths : 3;
};

/* The emptiest block is in the first, the full ones in the last, see compact_bucket(). */
#define COMPACT_BUCKETS		57
#define COMPACT_FULL		(COMPACT_BUCKETS - 1)
/* Those before this one are rings. */
#define COMPACT_FILED_RINGS	COMPACT_RING_CLAIMED

/**
 * struct compact_index - the pageblocks of a zone by how many pages are in use
 * @used: buckets that hold blocks
 * @first: a block of each bucket in use
 * @failed: how often a block could not be emptied
 * @claimed: how many blocks are
 * @unpark: in which bucket to look next for blocks that are to be tried again, of
 *	either kind
 * @fill_pfn: where a run has stopped to fill a block, or 0
 * @spare_until: in jiffies, how long pages of emptier blocks are to be left alone
 * @listed_looks: how many free pages have been looked at of late, as they came on
 *	the free lists
 * @listed_pages: how many of them were good to be filled
 * @entries: without SPARSEMEM, the entries of all blocks
 *
 * Protected by zone->lock. Only @failed, @claimed and @used are read without it, and
 * what comes after @unpark is read and written, all of it as hints. See
 * mm/compaction/index.c.
 */
struct compact_index {
	DECLARE_BITMAP(used[COMPACT_FILED_RINGS], COMPACT_BUCKETS);
	u32 first[COMPACT_FILED_RINGS][COMPACT_BUCKETS];
	u32 failed;
	unsigned int claimed;
	u8 unpark[2];
	unsigned long fill_pfn;
	u32 spare_until;
	unsigned int listed_looks;
	unsigned int listed_pages;
#ifndef CONFIG_SPARSEMEM
	struct compact_entry *entries;
#endif
};

/**
 * struct zone_compaction - a zone's memory of earlier runs
 * @considered: attempts skipped since the last failure, see defer.c
 * @defer_shift: 1 << @defer_shift attempts are skipped after a failure, none if 0
 * @order_failed: the smallest order that is deferred
 * @source_pfn: where the linear policy goes on emptying, if it does: runs that
 *	wait for nobody, and those that wait
 * @target_pfn: the end of what it has not filled
 * @failures: why runs got nowhere, see mm/compaction/why.c
 * @index: which block is how full, see mm/compaction/index.c
 *
 * No lock but for @index: the counts are exact, all else is a hint that is checked
 * when used.
 */
struct zone_compaction {
	unsigned int considered;
	unsigned int defer_shift;
	int order_failed;

	unsigned long source_pfn[2];
	unsigned long target_pfn;

	struct compact_failure_count failures[NR_COMPACT_FAILURES];
	struct compact_index index;
};

#endif /* _LINUX_COMPACTION_ZONE_H */
