/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What may go wrong while pages move, other than that somebody holds them.
 */
#ifndef __COMPACT_ASTRAY_H
#define __COMPACT_ASTRAY_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_race.h"
#include "compact_pin.h"
#include "compact_hold.h"
#include "compact_move.h"

#define SPLIT		"/sys/kernel/debug/split_huge_pages"
#define PROBES		"/sys/kernel/debug/kprobes/list"
#define WATERMARKS	"/proc/sys/vm/watermark_scale_factor"

/* Functions that fail or wait. */
#define MOVE		"move_to_new_folio"
#define SPLIT_PAGE	"split_huge_page_to_list"

struct path {
	const char *name;
	unsigned int movers;
	const char *function;	/* that is delayed or fails; NULL: alloc() */
	const char *(*begin)(const struct mover *mover);
	void (*end)(void);
	long ms;		/* to go on */
	bool needs_race;
	bool loses;		/* the contents */
	bool stays;		/* nothing may move */
};

/* Compaction goes through many more pages than those that are looked at. */
static int every(const struct mover *mover, int often)
{
	return mover->here ? 64 * often : often;
}

static const char *memory_begin(const struct mover *mover)
{
	return race_fail(mover->alloc, 0, 2) ? "nothing fails" : NULL;
}

static const char *busy_begin(const struct mover *mover)
{
	(void)mover;
	return race_fail(MOVE, -EBUSY, 2) ? "nothing fails" : NULL;
}

static const char *again_begin(const struct mover *mover)
{
	return race_fail(MOVE, -EAGAIN, mover->here ? 2 : 1) ?
	       "nothing fails" : NULL;
}

/* A thread on the other CPU that gets in the way, until it is told to stop. */

static pthread_t other;
static int other_stops;

static void other_end(void)
{
	__atomic_store_n(&other_stops, 1, __ATOMIC_RELEASE);
	pthread_join(other, NULL);
}

static const char *other_begin(void *(*todo)(void *arg))
{
	other_stops = 0;
	return pthread_create(&other, NULL, todo, NULL) ? "no thread" : NULL;
}

static bool other_goes_on(void)
{
	return !__atomic_load_n(&other_stops, __ATOMIC_ACQUIRE);
}

/* A huge page is locked while somebody tries to split it. */
static void *keep_locked(void *arg)
{
	char text[96];
	size_t row;

	run_on_node(0);
	while (other_goes_on())
		for (row = 0; row < scene.rows; row++) {
			const struct spot *spot = &scene.spot[row][HUGE];

			snprintf(text, sizeof(text), "%d,0x%lx,0x%lx",
				 getpid(), (unsigned long)spot->area,
				 (unsigned long)spot->area + cu_psize);
			cu_write_text(SPLIT, text);
		}
	return arg;
}

static const char *locked_begin(const struct mover *mover)
{
	const char *why;
	int try;

	(void)mover;
	if (race_delay(SPLIT_PAGE, 20000, 1) ||
	    race_fail(SPLIT_PAGE, -EBUSY, 1))
		return "nothing is delayed";
	/* What holds a page that waits for its list could not split it. */
	drain_batches();
	why = other_begin(keep_locked);
	/* What is marked for a fault is not seen by who would split it. */
	run_on_node(0);
	for (try = 0; try < 500 && !why && race_hits(SPLIT_PAGE) <= 0; try++) {
		for_all_spots(spot_touch);
		cu_sleep_ms(10);
	}
	run_on_node(1);
	return why;
}

/* A page goes, or what it is in changes, or is new. */
static void change(struct spot *spot, char *page, __u64 random)
{
	size_t len = spot->pages * cu_psize;

	/* Before there is a page to move to, or only then. */
	usleep(random % 4500);
	switch (random >> 16 & 15) {
	case 0:
		mprotect(spot->area, len, PROT_READ);
		mprotect(spot->area, len, PROT_READ | PROT_WRITE);
		break;
	case 1:
		if (spot->raw)
			spot_map(spot);
		spot_write(spot);
		break;
	default:
		if (spot->kind == HUGE)
			page = spot->area;
		else
			len = cu_psize;
		madvise(page, len, spot->kind == SHARED ? MADV_REMOVE :
							  MADV_DONTNEED);
		/* For a while nothing is there. */
		usleep(random >> 24 & 1023);
		cu_touch(page, 0);
	}
}

/* That which is used now. */
static void *keep_changing(void *arg)
{
	struct cu_rng rng;
	size_t row, kind;

	run_on_node(0);
	cu_rng_seed(&rng, hold_seed);
	while (other_goes_on()) {
		char *page = __atomic_load_n(&used_now, __ATOMIC_RELAXED);

		if (!page)
			usleep(20);
		for (row = 0; row < scene.rows && page; row++)
			for (kind = 0; kind < NR_KINDS; kind++) {
				struct spot *spot = &scene.spot[row][kind];
				size_t at = page - spot->area;

				if (at < spot->pages * cu_psize)
					change(spot, page, cu_rand(&rng));
			}
	}
	return arg;
}

/*
 * A probe that is new stops interrupts while it waits, and whoever flushes other
 * CPUs' TLBs waits for that. It becomes a jump, and does so no more, after a while.
 */
static void wait_for_jumps(void)
{
	char line[256];
	bool jumps = false;
	FILE *list;
	int try;

	for (try = 0; try < 40 && !jumps && race_there(); try++) {
		cu_sleep_ms(50);
		list = fopen(PROBES, "r");
		while (list && fgets(line, sizeof(line), list))
			jumps |= strstr(line, " migrate_pages+") &&
				 strstr(line, "OPTIMIZED");
		if (list)
			fclose(list);
	}
}

static const char *changed_begin(const struct mover *mover)
{
	if (race_there() && (race_delay(mover->alloc, 2000, every(mover, 1)) ||
			     race_delay("migrate_pages", 2000,
					every(mover, 1)) ||
			     race_fail(MOVE, -EBUSY, 2)))
		return "nothing is delayed";
	wait_for_jumps();
	return other_begin(keep_changing);
}

/*
 * A high watermark of two thirds of the node, and less that is free: nobody but
 * NUMA balancing minds.
 */
static char *ballast;
static size_t ballast_len;

static const char *full_begin(const struct mover *mover)
{
	unsigned long node1 = 2;
	size_t at;

	(void)mover;
	ballast_len = free_on_node(1) / 2 * cu_psize;
	ballast = mmap(NULL, ballast_len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ballast == MAP_FAILED)
		return "no memory";
	madvise(ballast, ballast_len, MADV_HUGEPAGE);
	syscall(SYS_mbind, ballast, ballast_len, MPOL_BIND, &node1,
		8 * sizeof(node1), 0);
	for (at = 0; at < ballast_len; at += huge_size())
		cu_touch(ballast + at, at);
	return cu_write_text(WATERMARKS, "3000") ? "no watermarks" : NULL;
}

static void full_end(void)
{
	cu_write_text(WATERMARKS, "10");
	munmap(ballast, ballast_len);
}

static const struct path paths[] = {
	{ .name = "no memory", .movers = BY_ALL, .begin = memory_begin,
	  .needs_race = true },
	{ .name = "busy in the end", .movers = BY_ALL, .function = MOVE,
	  .begin = busy_begin, .needs_race = true },
	{ .name = "busy each time", .movers = BY_ALL, .function = MOVE,
	  .begin = again_begin, .needs_race = true },
	{ .name = "locked", .movers = BY_ALL & ~BY_COMPACTION,
	  .function = SPLIT_PAGE, .begin = locked_begin, .end = other_end,
	  .needs_race = true },
	{ .name = "gone or changed", .movers = BY_ALL, .begin = changed_begin,
	  .end = other_end, .ms = 3000, .loses = true },
	{ .name = "the target nearly full", .movers = BY_FAULTS,
	  .begin = full_begin, .end = full_end, .stays = true },
};

#endif /* __COMPACT_ASTRAY_H */
