/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Those who move pages from one node to the other, or on a node: a scene with
 * pages for them, and each of them called by name.
 */
#ifndef __COMPACT_MOVE_H
#define __COMPACT_MOVE_H

#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_race.h"
#include "compact_pin.h"
#include "compact_hold.h"

#define BALANCING	"/proc/sys/kernel/numa_balancing"
#define SCAN_KNOBS	"/sys/kernel/debug/sched/numa_balancing/"

#define BIT(nr)		(1U << (nr))
#define SCAN_MS		12000
#define NR_PASSES	3
/* Of the free memory of a node, for compaction to move. */
#define POOL_PERCENT	15

/* What a child does: a hold of each type on a spot of each kind. */

struct scene {
	struct hold hold[NR_TYPES][NR_KINDS];
	struct spot spot[NR_TYPES][NR_KINDS];
	char *pool[2];		/* for compaction, of two kinds */
	size_t windows[2];	/* as many spots are in each */
	size_t rows;
	struct cu_rng rng;
};

static struct scene scene;
static bool quick;	/* NUMA balancing marks pages at once */

static void for_all_spots(void (*todo)(struct spot *spot))
{
	size_t type, kind;

	for (type = 0; type < NR_TYPES; type++)
		for (kind = 0; kind < NR_KINDS; kind++)
			if (scene.spot[type][kind].area)
				todo(&scene.spot[type][kind]);
}

/*
 * For compaction there has to be much to move, and what is held has to be where
 * it moves pages from: in the emptiest blocks. So of many small spots the lowest are
 * used, and of the others pages are given back, most of them near those.
 */

struct window {
	__u64 top;
	char *area;
};

static int compare_windows(const void *a, const void *b)
{
	const struct window *x = a, *y = b;

	return x->top < y->top ? -1 : x->top > y->top;
}

static size_t window_size(void)
{
	return (SMALL + 1) * cu_psize;
}

static struct window *windows_find(int kind)
{
	struct window *window = calloc(scene.windows[kind], sizeof(*window));
	__u64 pfn[SMALL];
	size_t i, page;

	for (i = 0; window && i < scene.windows[kind]; i++) {
		window[i].area = scene.pool[kind] + i * window_size();
		cu_pfns(window[i].area, SMALL, pfn);
		for (page = 0; page < SMALL; page++)
			if (pfn[page] > window[i].top)
				window[i].top = pfn[page];
	}
	if (window)
		qsort(window, scene.windows[kind], sizeof(*window),
		      compare_windows);
	return window;
}

static int pool_map(int kind, size_t windows)
{
	int share = kind == SHARED ? MAP_SHARED : MAP_PRIVATE;
	size_t len = windows * window_size();
	unsigned long node0 = 1;
	char *pool = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  share | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (pool == MAP_FAILED)
		return -ENOMEM;
	madvise(pool, len, MADV_NOHUGEPAGE);
	syscall(SYS_mbind, pool, len, MPOL_BIND, &node0, 8 * sizeof(node0), 0);
	scene.pool[kind] = pool;
	scene.windows[kind] = windows;
	return 0;
}

static void window_touch(int kind, size_t i)
{
	char *area = scene.pool[kind] + i * window_size();
	size_t page;

	for (page = 0; page < SMALL; page++)
		cu_touch(area + page * cu_psize, i);
}

static bool in_a_spot(const char *area)
{
	size_t type, kind;

	for (type = 0; type < NR_TYPES; type++)
		for (kind = PRIVATE; kind <= SHARED; kind++)
			if (scene.spot[type][kind].area == area)
				return true;
	return false;
}

static bool spot_in_block(const struct spot *spot, __u64 block)
{
	unsigned int order = cu_huge_order();
	size_t i;

	for (i = 0; i < spot->pages; i++)
		if (spot->was[i] && spot->was[i] >> order == block)
			return true;
	return false;
}

/* Is what is left of a window in a block in which there was a spot? */
static bool near_a_spot(char *area)
{
	__u64 pfns[SMALL] = { 0 }, pfn = 0;
	size_t type, kind, i;

	cu_pfns(area, SMALL, pfns);
	for (i = 0; i < SMALL && !pfn; i++)
		pfn = pfns[i];
	for (type = 0; type < NR_TYPES; type++)
		for (kind = PRIVATE; kind <= SHARED; kind++)
			if (spot_in_block(&scene.spot[type][kind],
					  pfn >> cu_huge_order()))
				return true;
	return false;
}

/* Most of all near the spots: what is the emptiest is emptied first. */
static void pool_thin(unsigned int percent)
{
	size_t i, page;

	for (i = 0; i < scene.windows[PRIVATE]; i++) {
		char *area = scene.pool[PRIVATE] + i * window_size();
		unsigned int share = near_a_spot(area) ? 90 : percent;

		for (page = 0; page < SMALL && !in_a_spot(area); page++)
			if (cu_chance(&scene.rng, share))
				madvise(area + page * cu_psize, cu_psize,
					MADV_DONTNEED);
	}
}

static unsigned long free_on_node(int node)
{
	static struct cu_zones zones;
	unsigned long free = 0;
	int i;

	cu_read_zones(&zones);
	for (i = 0; i < zones.nr; i++)
		if (zones.zone[i].node == node)
			free += zones.zone[i].free;
	return free;
}

static int pool_spots(int kind)
{
	struct window *window = windows_find(kind);
	size_t type;
	int err = 0;

	if (!window)
		return -ENOMEM;
	for (type = 0; type < NR_TYPES && !err; type++) {
		struct spot *spot = &scene.spot[type][kind];

		err = spot_alloc(spot, kind, window[type].area);
		if (!err) {
			spot_fill(spot, 1);
			spot_look(spot);
		}
	}
	free(window);
	return err;
}

static int make_pool(void)
{
	size_t windows = free_on_node(0) * POOL_PERCENT / 100 / SMALL / 4, i;
	int err = pool_map(PRIVATE, 3 * windows);

	if (!err)
		err = pool_map(SHARED, windows);
	/* Of both there are to be some at the bottom. */
	for (i = 0; i < 3 * windows && !err; i++) {
		window_touch(PRIVATE, i);
		if (i % 3 == 0)
			window_touch(SHARED, i / 3);
	}
	if (!err)
		err = pool_spots(PRIVATE);
	if (!err)
		err = pool_spots(SHARED);
	if (!err)
		pool_thin(50);
	return err;
}

/* Those who move pages, from node 0 to node 1 or on node 0. */

struct mover {
	const char *name;
	const char *alloc;	/* the function that finds it a new page */
	void (*move)(void);
	bool here;		/* stays on the node, and takes no huge ones */
};

/* Faults do not wait for the next second: as knobs, or by failing a function. */
static bool quick_scans(void)
{
	if (!access(SCAN_KNOBS, F_OK))
		return !cu_write_long(SCAN_KNOBS "scan_period_min_ms", 10) &&
		       !cu_write_long(SCAN_KNOBS "scan_period_max_ms", 20) &&
		       !cu_write_long(SCAN_KNOBS "scan_delay_ms", 10);
	return race_there() && !race_fail("task_scan_start", 20, 1) &&
	       !race_fail("task_scan_max", 20, 1);
}

static void spot_write(struct spot *spot)
{
	size_t i;

	for (i = 0; i < spot->pages; i++)
		cu_touch(page_of(spot, i), i);
}

/* The page that is used at this moment, for those who want to interfere. */
static char *used_now;

static void use_now(char *page)
{
	__atomic_store_n(&used_now, page, __ATOMIC_RELAXED);
}

/* Of all that will move at once, any one. */
static void use_any(void)
{
	__u64 random = cu_rand(&scene.rng);

	if (scene.rows)
		use_now(held_part(&scene.spot[random % scene.rows]
					     [(random >> 8) % NR_KINDS]));
}

static void spot_touch(struct spot *spot)
{
	size_t i;

	for (i = 0; i < spot->pages; i++) {
		use_now(page_of(spot, i));
		__atomic_load_n(page_of(spot, i), __ATOMIC_RELAXED);
	}
	use_now(NULL);
}

/*
 * What is marked already is not marked again, so nobody would see when: uses all
 * pages until nothing is marked. Returns how many have been so far.
 */
static long unmark(void)
{
	long end = cu_now_ms() + SCAN_MS, before;

	do {
		before = cu_vmstat("numa_pte_updates");
		for_all_spots(spot_touch);
	} while (cu_vmstat("numa_pte_updates") != before && cu_now_ms() < end);
	return before;
}

/* Uses its CPU until pages have been marked so that the next use faults. */
static bool wait_for_marks(long before)
{
	long end = cu_now_ms() + SCAN_MS, next;

	while (cu_vmstat("numa_pte_updates") == before) {
		if (cu_now_ms() > end)
			return false;
		for (next = cu_now_ms() + 3; cu_now_ms() < next;)
			;
	}
	return true;
}

static void move_by_faults(void)
{
	int pass, passes = quick ? NR_PASSES : 2;

	run_on_node(1);
	for (pass = 0; pass < passes && wait_for_marks(unmark()); pass++)
		for_all_spots(spot_touch);
	run_on_node(0);
}

static void move_by_migrate_pages(void)
{
	unsigned long from = 1, to = 2;

	use_any();
	syscall(SYS_migrate_pages, 0, 8 * sizeof(from), &from, &to);
	use_now(NULL);
}

/* Returns how many pages are not on the node then. */
static size_t spot_to_node(const struct spot *spot, int node, bool all)
{
	size_t first = all ? 0 : spot->pages - HELD;
	size_t nr = spot->pages - first, away = 0, i;
	void **page = calloc(nr, sizeof(*page));
	int *nodes = calloc(2 * nr, sizeof(*nodes)), *status = nodes + nr;

	for (i = 0; page && nodes && i < nr; i++) {
		page[i] = page_of(spot, first + i);
		nodes[i] = node;
		status[i] = -EINPROGRESS;
	}
	if (page && nodes)
		syscall(SYS_move_pages, 0, nr, page, nodes, status,
			MPOL_MF_MOVE);
	for (i = 0; i < nr; i++) {
		int is = node_of_page(page_of(spot, first + i));

		away += is != node;
		/* To say that it is there if it is not is as bad. */
		if (nodes && status[i] >= 0 && status[i] != is)
			away = nr;
	}
	free(page);
	free(nodes);
	return away;
}

static void spot_by_move_pages(struct spot *spot)
{
	use_now(held_part(spot));
	spot_to_node(spot, 1, true);
	use_now(NULL);
}

static void move_by_move_pages(void)
{
	for_all_spots(spot_by_move_pages);
}

static void move_by_compaction(void)
{
	use_any();
	cu_write_text("/sys/devices/system/node/node0/compact", "1");
	use_now(NULL);
	pool_thin(20);
}

static const struct mover movers[] = {
	{ .name = "NUMA balancing", .move = move_by_faults,
	  .alloc = "alloc_misplaced_dst_page" },
	{ .name = "migrate_pages()", .move = move_by_migrate_pages,
	  .alloc = "alloc_migration_target" },
	{ .name = "move_pages()", .move = move_by_move_pages,
	  .alloc = "alloc_migration_target" },
	{ .name = "compaction", .move = move_by_compaction,
	  .alloc = "compaction_alloc", .here = true },
};

#define NR_MOVERS	ARRAY_SIZE(movers)
#define BY_FAULTS	BIT(0)
#define BY_COMPACTION	BIT(3)
#define BY_ALL		(BIT(NR_MOVERS) - 1)

#endif /* __COMPACT_MOVE_H */
