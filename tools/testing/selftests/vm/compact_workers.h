/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that share merged pages and do to them whatever a process can do.
 *
 * Each has pages of the contents that all have, but those that it has written to.
 * Those are its own, and have a version.
 */
#ifndef __COMPACT_WORKERS_H
#define __COMPACT_WORKERS_H

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_merge.h"

#define NR_WORKERS	3
/* So many pages has each worker, of so many contents that all of them use. */
#define WORK_PAGES	256
#define CONTENTS	64
#define DEPTH		3	/* generations of forks */

struct shared {
	int stop;		/* 1: rest, 2: end */
	int resting[NR_WORKERS];
	size_t bad;
	size_t forks;
	size_t writes;
	size_t moves;
	long longest;
};

struct worker {
	int id;
	char *area;
	unsigned int version[WORK_PAGES];
	struct cu_rng rng;
	struct shared *shared;
};

static void add(size_t *to, size_t nr)
{
	__atomic_fetch_add(to, nr, __ATOMIC_RELAXED);
}

static __u64 own_seed(const struct worker *w, size_t page)
{
	return merge_seed + 1000 + w->id + w->version[page] * 100ULL;
}

/* A read that meets a page on its way has to wait; nobody waits for long. */
static void check_page(struct worker *w, size_t i)
{
	char *page = w->area + i * cu_psize;
	long begin = cu_now_ms();
	bool right;

	if (w->version[i])
		right = cu_page_ok(page, own_seed(w, i), i);
	else
		right = cu_page_ok(page, merge_seed, i % CONTENTS);
	add(&w->shared->bad, !right);
	begin = cu_now_ms() - begin;
	if (begin > w->shared->longest)
		w->shared->longest = begin;
}

static void check_all(struct worker *w)
{
	size_t i;

	for (i = 0; i < WORK_PAGES; i++)
		check_page(w, i);
}

static void write_own(struct worker *w, size_t i)
{
	w->version[i]++;
	cu_page_fill(w->area + i * cu_psize, own_seed(w, i), i);
	add(&w->shared->writes, 1);
}

static void write_common(struct worker *w, size_t i)
{
	w->version[i] = 0;
	cu_page_fill(w->area + i * cu_psize, merge_seed, i % CONTENTS);
}

static size_t any_page(struct worker *w)
{
	return cu_rand(&w->rng) % WORK_PAGES;
}

static void unmap_some(struct worker *w)
{
	size_t from = any_page(w), nr = cu_rand(&w->rng) % 32, i;
	char *at = w->area + from * cu_psize;

	if (nr > WORK_PAGES - from)
		nr = WORK_PAGES - from;
	if (!nr || mmap(at, nr * cu_psize, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		return;
	madvise(at, nr * cu_psize, MADV_MERGEABLE);
	for (i = from; i < from + nr; i++)
		write_common(w, i);
}

/* The area is several mappings by now, and only a single one can be moved. */
static void move_some(struct worker *w)
{
	size_t from = any_page(w) / 16 * 16, len = 16 * cu_psize;
	char *at = w->area + from * cu_psize, *to;

	to = mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (to == MAP_FAILED)
		return;
	if (mremap(to, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		add(&w->shared->bad, 1);
	add(&w->shared->moves, 1);
}

static void unmerge_some(struct worker *w)
{
	size_t from = any_page(w) / 64 * 64;
	char *at = w->area + from * cu_psize;

	madvise(at, 64 * cu_psize, MADV_UNMERGEABLE);
	check_page(w, from);
	madvise(at, 64 * cu_psize, MADV_MERGEABLE);
}

/* Each generation sees its parent's pages, and what it writes nobody else. */
static void live(struct worker *w, int depth);

static void fork_some(struct worker *w, int depth)
{
	pid_t pid;
	int i;

	if (depth == DEPTH)
		return;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 8; i++)
			live(w, depth + 1);
		check_all(w);
		_exit(0);
	}
	if (pid < 0)
		return;
	add(&w->shared->forks, 1);
	for (i = 0; i < 16; i++)
		write_own(w, any_page(w));
	check_all(w);
	waitpid(pid, NULL, 0);
}

static void live(struct worker *w, int depth)
{
	size_t i;

	switch (cu_rand(&w->rng) % 8) {
	case 0:
		check_all(w);
		break;
	case 1:
		write_own(w, any_page(w));
		break;
	case 2:
		for (i = 0; i < WORK_PAGES; i++)
			if (w->version[i] && cu_chance(&w->rng, 50))
				write_common(w, i);
		break;
	case 3:
		unmap_some(w);
		break;
	case 4:
		move_some(w);
		break;
	case 5:
		unmerge_some(w);
		break;
	default:
		fork_some(w, depth);
	}
	check_page(w, any_page(w));
}

static void work(struct worker *w)
{
	w->area = cu_map(WORK_PAGES);
	if (!w->area)
		_exit(1);
	madvise(w->area, WORK_PAGES * cu_psize, MADV_DOFORK);
	fill_area(w->area, WORK_PAGES, CONTENTS);
	while (!__atomic_load_n(&w->shared->stop, __ATOMIC_RELAXED))
		live(w, 0);
	check_all(w);
	__atomic_store_n(&w->shared->resting[w->id], 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&w->shared->stop, __ATOMIC_RELAXED) != 2)
		cu_sleep_ms(20);
	check_all(w);
	_exit(0);
}

static void start_workers(struct shared *shared, pid_t *pid)
{
	static struct worker w;
	int i;

	memset(shared, 0, sizeof(*shared));
	for (i = 0; i < NR_WORKERS; i++) {
		w.id = i;
		w.shared = shared;
		cu_rng_seed(&w.rng, merge_seed + i);
		pid[i] = fork();
		if (pid[i] < 0)
			ksft_exit_fail_msg("no child\n");
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(&w);
		}
	}
}

/* They rest at the end of what they do. Returns how many never do. */
static int rest_workers(struct shared *shared)
{
	long end = cu_now_ms() + LONG_MS;
	int i, hang = 0;

	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < NR_WORKERS; i++) {
		while (!__atomic_load_n(&shared->resting[i], __ATOMIC_RELAXED) &&
		       cu_now_ms() < end)
			cu_sleep_ms(5);
		hang += !shared->resting[i];
	}
	return hang;
}

static int end_workers(struct shared *shared, const pid_t *pid)
{
	int status, i, died = 0;

	__atomic_store_n(&shared->stop, 2, __ATOMIC_RELAXED);
	for (i = 0; i < NR_WORKERS; i++) {
		if (cu_wait_ms(pid[i], &status, LONG_MS) != pid[i]) {
			kill(pid[i], SIGKILL);
			died++;
		} else {
			died += status != 0;
		}
	}
	return died;
}

#endif /* __COMPACT_WORKERS_H */
