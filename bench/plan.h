/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The limit that compaction is measured against.
 *
 * A snapshot says of each pageblock how many of its pages are free, how many could
 * be moved, and whether one could not. From that follow
 *
 * - how many huge pages are attainable: blocks without a page that cannot move, as
 *   many as there is free memory for above what the kernel keeps back; and
 * - the cheapest plan for a number of huge pages: the sum of the pages in use in as
 *   many of the emptiest of these blocks.
 *
 * No compaction can make more or move less, as it would have to know all this
 * beforehand, and the snapshot errs on its side: a page that nothing is known of is
 * taken for a free one that waits in a per-cpu list, and so does not spoil its block.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define PLAN_MAX_ZONES	16

/* One pageblock, or the part of it that is in a zone. */
struct plan_block {
	__u16 zone;
	__u16 free;
	__u16 used;		/* that can move */
	bool whole;		/* all of it is in the zone */
	bool spoiled;		/* holds a page that cannot move, or a hole */
};

struct plan_zone {
	unsigned long start;	/* first frame */
	unsigned long end;
	unsigned long keep;	/* free pages that are not to be had */
	unsigned long free;
};

struct plan {
	unsigned int block_pages;
	size_t nr_zones;
	struct plan_zone zone[PLAN_MAX_ZONES];
	size_t nr_blocks;
	struct plan_block *block;
};

/* What is to be seen of a page frame. */
enum plan_frame {
	FRAME_NONE,		/* no memory */
	FRAME_FREE,
	FRAME_UNKNOWN,		/* free on a per-cpu list, or a kernel's own */
	FRAME_MOVABLE,
	FRAME_FIXED,
};

enum plan_frame plan_frame(__u64 kpageflags, bool pinned);
void plan_add(struct plan *plan, unsigned long pfn, enum plan_frame frame);
int plan_init(struct plan *plan, unsigned int block_pages);
void plan_end(struct plan *plan);

size_t plan_attainable(const struct plan *plan);
size_t plan_cost(const struct plan *plan, size_t nr);

#endif /* BENCH_PLAN_H */
