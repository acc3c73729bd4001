// SPDX-License-Identifier: GPL-2.0
/*
 * How many huge pages can be made, and with how few moves; see plan.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

/* Bits of /proc/kpageflags, see Documentation/admin-guide/mm/pagemap.rst. */
#define KPF_LRU		5
#define KPF_SLAB	7
#define KPF_BUDDY	10
#define KPF_MMAP	11
#define KPF_ANON	12
#define KPF_COMPOUND_HEAD 15
#define KPF_COMPOUND_TAIL 16
#define KPF_HUGE	17
#define KPF_HWPOISON	19
#define KPF_NOPAGE	20
#define KPF_THP		22
#define KPF_OFFLINE	23
#define KPF_PGTABLE	26
#define KPF_RESERVED	32
#define KPF_PRIVATE	35

static __u64 bit(unsigned int nr)
{
	return 1ULL << nr;
}

/**
 * plan_frame - what is known of a page frame
 * @flags: from /proc/kpageflags
 * @pinned: somebody holds a reference who will not let go
 *
 * A huge page that is in use stays where it is: nothing is to be gained by moving
 * it. A page with nothing but PG_private is one of zsmalloc's, which moves.
 */
enum plan_frame plan_frame(__u64 flags, bool pinned)
{
	const __u64 fixed = bit(KPF_SLAB) | bit(KPF_COMPOUND_HEAD) |
			       bit(KPF_COMPOUND_TAIL) | bit(KPF_HUGE) |
			       bit(KPF_HWPOISON) | bit(KPF_THP) |
			       bit(KPF_OFFLINE) | bit(KPF_PGTABLE) |
			       bit(KPF_RESERVED);
	const __u64 movable = bit(KPF_LRU) | bit(KPF_ANON) | bit(KPF_MMAP) |
				 bit(KPF_PRIVATE);

	if (flags & bit(KPF_NOPAGE))
		return FRAME_NONE;
	if (flags & bit(KPF_BUDDY))
		return FRAME_FREE;
	if (pinned || flags & fixed)
		return FRAME_FIXED;
	if (flags & movable)
		return FRAME_MOVABLE;
	return FRAME_UNKNOWN;
}

static int zone_of(const struct plan *plan, unsigned long pfn)
{
	size_t i;

	for (i = 0; i < plan->nr_zones; i++)
		if (pfn >= plan->zone[i].start && pfn < plan->zone[i].end)
			return i;
	return -1;
}

/* Blocks are counted from frame 0 on. */
static unsigned long block_of(const struct plan *plan, unsigned long pfn)
{
	return pfn / plan->block_pages;
}

/**
 * plan_init - make room for all blocks of the zones
 * @plan: with nr_zones and zone filled in; plan_end() frees what this takes
 * @block_pages: pages in a pageblock
 *
 * Return: 0 or -ENOMEM.
 */
int plan_init(struct plan *plan, unsigned int block_pages)
{
	unsigned long end = 0, pfn;
	size_t i;

	plan->block_pages = block_pages;
	for (i = 0; i < plan->nr_zones; i++)
		if (plan->zone[i].end > end)
			end = plan->zone[i].end;
	plan->nr_blocks = (end + block_pages - 1) / block_pages;
	plan->block = calloc(plan->nr_blocks, sizeof(*plan->block));
	if (!plan->block)
		return -ENOMEM;
	for (i = 0; i < plan->nr_blocks; i++) {
		int zone;

		pfn = i * block_pages;
		zone = zone_of(plan, pfn);
		plan->block[i].zone = zone < 0 ? 0 : zone;
		plan->block[i].whole = zone >= 0 &&
			zone_of(plan, pfn + block_pages - 1) == zone;
	}
	return 0;
}

void plan_end(struct plan *plan)
{
	free(plan->block);
	plan->block = NULL;
}

/* Every frame of the zones is to be added once, those without memory as well. */
void plan_add(struct plan *plan, unsigned long pfn, enum plan_frame frame)
{
	struct plan_block *block;
	int zone = zone_of(plan, pfn);

	if (zone < 0)
		return;
	block = &plan->block[block_of(plan, pfn)];
	if (frame == FRAME_FREE || frame == FRAME_UNKNOWN) {
		block->free++;
		plan->zone[zone].free++;
	} else if (frame == FRAME_MOVABLE) {
		block->used++;
	} else {
		block->spoiled = true;
	}
}

static bool usable(const struct plan *plan, const struct plan_block *block)
{
	return block->whole && !block->spoiled &&
	       (unsigned int)block->free + block->used == plan->block_pages;
}

/*
 * A huge page takes as many free pages as it has, wherever they lie: what is moved
 * out of its block fills as many pages elsewhere as it leaves.
 */
static size_t attainable_in(const struct plan *plan, size_t zone)
{
	const struct plan_zone *z = &plan->zone[zone];
	size_t blocks = 0, free = 0, i;

	for (i = 0; i < plan->nr_blocks; i++)
		blocks += plan->block[i].zone == zone &&
			  usable(plan, &plan->block[i]);
	if (z->free > z->keep)
		free = (z->free - z->keep) / plan->block_pages;
	return blocks < free ? blocks : free;
}

/**
 * plan_attainable - how many huge pages can there be at most?
 * @plan: with all frames added
 */
size_t plan_attainable(const struct plan *plan)
{
	size_t sum = 0, i;

	for (i = 0; i < plan->nr_zones; i++)
		sum += attainable_in(plan, i);
	return sum;
}

/**
 * plan_cost - how many pages have to move for that?
 * @plan: with all frames added
 * @nr: huge pages to be made; those that are free as they are count as well
 *
 * Counts the blocks of each occupancy and takes them from the emptiest on.
 */
size_t plan_cost(const struct plan *plan, size_t nr)
{
	size_t *blocks = calloc(plan->block_pages + 1, sizeof(*blocks));
	size_t cost = 0, used, i;

	if (!blocks)
		return 0;
	for (i = 0; i < plan->nr_blocks; i++)
		if (usable(plan, &plan->block[i]))
			blocks[plan->block[i].used]++;
	for (used = 0; used <= plan->block_pages && nr; used++) {
		size_t take = blocks[used] < nr ? blocks[used] : nr;

		cost += take * used;
		nr -= take;
	}
	free(blocks);
	return cost;
}
