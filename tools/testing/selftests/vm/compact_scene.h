/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scene of the tests in which huge pages are short: memory full of single
 * pages with holes between them, knobs that are set for the test alone, and
 * demand for huge pages.
 */
#ifndef __COMPACT_SCENE_H
#define __COMPACT_SCENE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"

#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"
#define THP_DEFRAG	"/sys/kernel/mm/transparent_hugepage/defrag"
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define NODES		"/sys/devices/system/node/"
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"

#define MAX_KNOBS	16
#define MAX_NODES	8
#define MAX_DEFERRED	64
/* Left alone by the filling: room for the kernel. */
#define RESERVE_MIB	24

struct knob {
	const char *path;
	char text[64];
};

static struct knob saved_knob[MAX_KNOBS];
static unsigned int nr_saved_knobs;

static inline void knobs_put_back(void)
{
	while (nr_saved_knobs) {
		struct knob *knob = &saved_knob[--nr_saved_knobs];

		cu_write_text(knob->path, knob->text);
	}
}

/* Of a choice like "always [madvise] never" only what is chosen is kept. */
static inline int knob_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	char *from, *to;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	text[len] = '\0';
	from = strchr(text, '[');
	to = strchr(text, ']');
	if (from && to) {
		memmove(text, from + 1, to - from - 1);
		text[to - from - 1] = '\0';
	}
	return 0;
}

/*
 * Sets a knob, which is what it was again when the program ends. Children that
 * end by exit() would put it back too early: they have to use _exit().
 */
static inline int knob_set(const char *path, const char *text)
{
	struct knob *knob = &saved_knob[nr_saved_knobs];
	unsigned int i;
	int err;

	for (i = 0; i < nr_saved_knobs; i++)
		if (!strcmp(saved_knob[i].path, path))
			return cu_write_text(path, text);
	if (nr_saved_knobs == MAX_KNOBS)
		return -ENOSPC;
	err = knob_read(path, knob->text, sizeof(knob->text));
	if (err)
		return err;
	if (!nr_saved_knobs)
		atexit(knobs_put_back);
	knob->path = path;
	nr_saved_knobs++;
	return cu_write_text(path, text);
}

/*
 * Huge pages where a process asks for them, and nobody who compacts for them
 * but who the test is about. Returns NULL or why that is not to be had.
 */
static inline const char *scene_set(const char *defrag)
{
	if (access(CU_COMPACT, W_OK))
		return "needs root and a kernel with compaction";
	if (knob_set(THP_ENABLED, "madvise") || knob_set(THP_DEFRAG, defrag))
		return "no transparent huge pages";
	/* khugepaged allocates huge pages for those who fell back. */
	knob_set(KHUGEPAGED "defrag", "0");
	knob_set(KHUGEPAGED "scan_sleep_millisecs", "3600000");
	knob_set("/proc/sys/kernel/numa_balancing", "0");
	knob_set(CU_PROACTIVE, "0");
	return NULL;
}

/* How many tasks are there of that name? Notes the last one. */
static inline int tasks_named(const char *name, pid_t *pid)
{
	DIR *proc = opendir("/proc");
	char path[300], comm[32];
	struct dirent *entry;
	int nr = 0;

	while (proc && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (knob_read(path, comm, sizeof(comm)))
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (strcmp(comm, name))
			continue;
		*pid = atoi(entry->d_name);
		nr++;
	}
	if (proc)
		closedir(proc);
	return nr;
}

struct pool {
	char *area;
	size_t pages;
	__u8 *kept;	/* which of them are there */
	__u64 seed;
	struct cu_rng rng;
};

/*
 * To be called when nothing has been filled yet. What is given back stays on the
 * per-cpu lists in part, out of reach for other CPUs that fill.
 */
static inline int pool_make(struct pool *pool, __u64 seed)
{
	unsigned long reserve = (RESERVE_MIB << 20) / cu_psize;
	unsigned long avail = cu_meminfo("MemAvailable");
	static struct cu_zones zones;
	int i;

	if (cu_read_zones(&zones))
		return -EIO;
	for (i = 0; i < zones.nr; i++)
		reserve += zones.zone[i].pcp_high;
	pool->pages = avail > reserve ? avail - reserve : 0;
	pool->area = pool->pages ? cu_map(pool->pages) : NULL;
	pool->kept = calloc(1, pool->pages / 8 + 1);
	pool->seed = seed;
	cu_rng_seed(&pool->rng, seed);
	return pool->area && pool->kept ? 0 : -ENOMEM;
}

/* Fills the holes that are there, and makes new ones: so many in a hundred stay. */
static inline void pool_scatter_to(struct pool *pool, unsigned int keep)
{
	size_t i;

	for (i = 0; i < pool->pages; i++)
		if (!cu_bit(pool->kept, i))
			cu_page_fill(pool->area + i * cu_psize, pool->seed, i);
	cu_free_random(pool->area, pool->pages, keep, &pool->rng, pool->kept);
}

static inline void pool_scatter(struct pool *pool)
{
	pool_scatter_to(pool, 50);
}

static inline size_t pool_bad(const struct pool *pool)
{
	size_t bad = 0, i;

	for (i = 0; i < pool->pages; i++)
		if (cu_bit(pool->kept, i))
			bad += !cu_page_ok(pool->area + i * cu_psize,
					   pool->seed, i);
	return bad;
}

static inline const struct cu_zone *zone_of(const struct cu_zones *zones,
					    __u64 pfn)
{
	int i;

	for (i = 0; i < zones->nr; i++)
		if (pfn >= zones->zone[i].start &&
		    pfn < zones->zone[i].start + zones->zone[i].spanned)
			return &zones->zone[i];
	return NULL;
}

/*
 * Of the pages that were on a node, how many have left their place? was and is
 * are what cu_pfns() said.
 */
static inline size_t pool_moved(const struct pool *pool,
				const struct cu_zones *zones, int node,
				const __u64 *was, const __u64 *is)
{
	const struct cu_zone *zone;
	size_t moved = 0, i;

	for (i = 0; i < pool->pages; i++) {
		if (!was[i] || was[i] == is[i])
			continue;
		zone = zone_of(zones, was[i]);
		moved += zone && zone->node == node;
	}
	return moved;
}

/* On fault, or the holes would be filled. Then the pages are not to move. */
static inline int pool_nail(struct pool *pool)
{
	if (mlock2(pool->area, pool->pages * cu_psize, MLOCK_ONFAULT))
		return -errno;
	return knob_set(CU_UNEVICTABLE, "0");
}

static inline void pool_unnail(struct pool *pool)
{
	munlock(pool->area, pool->pages * cu_psize);
	knob_set(CU_UNEVICTABLE, "1");
}

/* Memory for huge pages, that begins where one may begin. */
struct demand {
	char *raw;
	char *area;
	size_t nr;
};

static inline size_t huge_size(void)
{
	return cu_psize << cu_huge_order();
}

static inline int demand_map(struct demand *want, size_t nr)
{
	size_t size = huge_size();

	*want = (struct demand){ .nr = nr };
	want->raw = mmap(NULL, (nr + 1) * size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (want->raw == MAP_FAILED)
		return -errno;
	want->area = (char *)(((uintptr_t)want->raw + size - 1) & -size);
	return madvise(want->area, nr * size, MADV_HUGEPAGE) ? -errno : 0;
}

static inline void demand_unmap(struct demand *want)
{
	munmap(want->raw, (want->nr + 1) * huge_size());
}

/* The first touch of each decides whether it is one huge page or many pages. */
static inline void demand_fault(struct demand *want, size_t from, size_t to)
{
	for (; from < to; from++)
		cu_touch(want->area + from * huge_size(), from);
}

/* The huge pages that this process has got so, in all its memory. */
static inline size_t huge_there(void)
{
	char text[2048];
	const char *at;
	ssize_t len;
	int fd = open("/proc/self/smaps_rollup", O_RDONLY);

	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	at = strstr(text, "\nAnonHugePages:");
	return at ? strtoul(at + 15, NULL, 10) * 1024 / huge_size() : 0;
}

/*
 * Takes all huge pages that can be had without work, so that whoever wants
 * more has to compact. Some are on per-cpu lists, where nobody counts them. A
 * fault looks at its own node alone unless it is told to take one node after
 * the other.
 */
static inline int demand_easy(struct demand *easy, const char *defrag)
{
	unsigned long all = (1UL << MAX_NODES) - 1;
	int missed = 0;
	size_t i;

	if (demand_map(easy, cu_meminfo("MemFree") >> cu_huge_order()))
		return -ENOMEM;
	/* a cpuset would move them all for a child that shares them */
	madvise(easy->area, easy->nr * huge_size(), MADV_DONTFORK);
	knob_set(THP_DEFRAG, "never");
	syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &all, MAX_NODES + 1);
	for (i = 0; i < easy->nr && missed < MAX_NODES; i++) {
		long before = cu_vmstat("thp_fault_alloc");

		demand_fault(easy, i, i + 1);
		missed = cu_vmstat("thp_fault_alloc") > before ? 0 : missed + 1;
	}
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	return knob_set(THP_DEFRAG, defrag);
}

static inline void forget_failures_on(int node)
{
	char path[128];
	int i;

	snprintf(path, sizeof(path),
		 NODES "node%d/hugepages/hugepages-%zukB/nr_hugepages", node,
		 huge_size() / 1024);
	for (i = 0; i < MAX_DEFERRED && !cu_read_long(path); i++)
		cu_write_long(path, 2);
	cu_write_long(path, 0);
}

/*
 * Failures of the test before would make compaction let up to 64 demands pass,
 * unless one has succeeded.
 */
static inline void forget_failures(void)
{
	int node;

	for (node = 0; node < MAX_NODES; node++)
		forget_failures_on(node);
}

/* Half of the huge pages that would come of all that is free in pieces. */
static inline size_t demand_fair(void)
{
	return cu_meminfo("MemFree") / 2 >> cu_huge_order();
}

#endif /* __COMPACT_SCENE_H */
