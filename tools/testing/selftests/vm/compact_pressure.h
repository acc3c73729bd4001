/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compaction from several doors at once, for as long as a test wants it: a process
 * for each door, and one that keeps memory scattered so that there is always
 * something to move.
 */
#ifndef __COMPACT_PRESSURE_H
#define __COMPACT_PRESSURE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compact_util.h"

enum pressure_door {
	PRESS_CHURN	= 1 << 0,	/* gives back and takes single pages */
	PRESS_MEMORY	= 1 << 1,	/* compact_memory */
	PRESS_NODES	= 1 << 2,	/* the file of each node */
	PRESS_HUGETLB	= 1 << 3,	/* nr_hugepages up and down */
	PRESS_FAULTS	= 1 << 4,	/* faults on huge pages */
	PRESS_CMA	= 1 << 5,	/* contiguous ranges, with "cma=" at boot */
	PRESS_ALL	= (1 << 6) - 1,
};

#define PRESS_DOORS	6
#define PRESS_CMA_DIR	"/sys/kernel/debug/cma/reserved/"

struct pressure {
	pid_t pid[PRESS_DOORS];
	unsigned int churn_percent;	/* of the memory available, to scatter */
	__u64 seed;
};

static inline void press_churn(const struct pressure *p)
{
	size_t pages = cu_meminfo("MemAvailable") * p->churn_percent / 100, i;
	char *area = cu_map(pages);
	struct cu_rng rng;

	if (!area)
		_exit(1);
	cu_rng_seed(&rng, p->seed);
	for (i = 0; i < pages; i++)
		cu_touch(area + i * cu_psize, i);
	for (;;) {
		cu_free_random(area, pages, 80, &rng, NULL);
		for (i = 0; i < pages; i++)
			if (cu_chance(&rng, 20))
				cu_touch(area + i * cu_psize, i);
		cu_sleep_ms(5);
	}
}

static inline void press_memory(const struct pressure *p)
{
	(void)p;
	for (;;) {
		cu_compact();
		cu_sleep_ms(5);
	}
}

static inline void press_nodes(const struct pressure *p)
{
	char path[64];
	int node;

	(void)p;
	for (node = 0; ; node = (node + 1) % 2) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/compact", node);
		cu_write_text(path, "1");
		cu_sleep_ms(5);
	}
}

static inline void press_hugetlb(const struct pressure *p)
{
	struct cu_rng rng;

	cu_rng_seed(&rng, p->seed);
	for (;;) {
		cu_write_long("/proc/sys/vm/nr_hugepages", cu_rand(&rng) % 32);
		cu_sleep_ms(10);
	}
}

static inline void press_faults(const struct pressure *p)
{
	size_t huge = cu_psize << cu_huge_order(), len = 32 * huge, at;
	char *area;

	(void)p;
	for (;;) {
		area = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (area == MAP_FAILED)
			_exit(1);
		madvise(area, len, MADV_HUGEPAGE);
		for (at = 0; at < len; at += huge)
			cu_touch(area + at, at);
		munmap(area, len);
		cu_sleep_ms(5);
	}
}

static inline void press_cma(const struct pressure *p)
{
	struct cu_rng rng;

	cu_rng_seed(&rng, p->seed);
	for (;;) {
		long nr = cu_rand(&rng) % 2048 + 1;

		if (cu_write_long(PRESS_CMA_DIR "alloc", nr))
			_exit(0);
		cu_write_long(PRESS_CMA_DIR "free", nr);
		cu_sleep_ms(10);
	}
}

/* What is left of the pages of CMA is freed, and the huge pages, by the end. */
static inline void pressure_end(struct pressure *p)
{
	int i;

	for (i = 0; i < PRESS_DOORS; i++) {
		if (p->pid[i] <= 0)
			continue;
		kill(p->pid[i], SIGKILL);
		waitpid(p->pid[i], NULL, 0);
		p->pid[i] = 0;
	}
	cu_write_long(PRESS_CMA_DIR "free", 1L << 20);
	cu_write_long("/proc/sys/vm/nr_hugepages", 0);
}

/* Returns 0, or -1 with nothing begun. churn_percent and seed are set before. */
static inline int pressure_begin(struct pressure *p, unsigned int doors)
{
	static void (* const door[PRESS_DOORS])(const struct pressure *p) = {
		press_churn, press_memory, press_nodes, press_hugetlb,
		press_faults, press_cma,
	};
	int i;

	for (i = 0; i < PRESS_DOORS; i++) {
		p->pid[i] = 0;
		if (!(doors & (1U << i)))
			continue;
		p->pid[i] = fork();
		if (!p->pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			door[i](p);
		}
		if (p->pid[i] < 0) {
			pressure_end(p);
			return -1;
		}
	}
	return 0;
}

#endif /* __COMPACT_PRESSURE_H */
