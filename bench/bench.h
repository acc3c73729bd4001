/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the bench's guest program share. A run is a scene, which leaves
 * memory in some state, and a demand, which wants large pages of it and is measured.
 *
 *   bench.c     options, and what is counted before and after
 *   scene.c     the scenes
 *   demand.c    the demands
 *   snapshot.c  what every page frame is in between, for plan.c
 *   plan.c      how many huge pages could be had, and for how many moves
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <stdio.h>

#include "compact_util.h"
#include "plan.h"

/* What the scene has left behind. */
struct scene {
	const char *param;
	__u64 seed;
	struct cu_rng rng;
	unsigned long fill;	/* per cent of memory */
	char *area;
	size_t pages;
	__u64 *pfn;
	__u8 *kept;
	__u8 *pinned;		/* by frame; NULL if none is */
	unsigned long frames;
};

struct scene_kind {
	const char *name;
	void (*make)(struct scene *scene);
};

struct demand_kind {
	const char *name;
	void (*make)(struct scene *scene, const char *param, size_t attainable);
};

extern const struct scene_kind scene_kinds[];
extern const struct demand_kind demand_kinds[];

/* A demand is looked at in so many parts of what there could be. */
#define PARTS	10

static inline size_t part_of(size_t attainable, size_t part)
{
	return attainable * part / PARTS;
}

void die(const char *what);
void row(const char *metric, double value);
/* p50, p90, p99 and the largest, and each tenth for a plot. Sorts the values. */
void row_spread(const char *metric, __u64 *value, size_t nr);
__u64 now_ns(void);

int take_snapshot(const struct scene *scene, struct plan *plan);

#endif /* BENCH_H */
