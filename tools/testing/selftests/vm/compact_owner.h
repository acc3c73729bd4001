/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that own a few pages each, know what is in them, and see in pagemap and
 * in kpageflags when migration has one of them on its way.
 */
#ifndef __COMPACT_OWNER_H
#define __COMPACT_OWNER_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compact_util.h"

/* What one owner has. It is to be quick when it goes. */
#define PAGES		64
#define BYTES		(PAGES * cu_psize)
/* Whoever lives so long hangs. */
#define STUCK_SECONDS	60

/* A family has 1 + 2 + 4 + 8 processes, by forks of three generations. */
#define GENERATIONS	3
#define CHILDREN	2

/* Of pagemap: in place of a page on its way is swap of a type above all areas. */
#define PM_PRESENT_BIT	63
#define PM_SWAP_BIT	62
#define PM_FRAME	(~0ULL >> 9)
#define PM_TYPE		31
#define PM_TYPE_BITS	5
#define PM_NO_AREA	23
/* Bits of kpageflags that compact_util.h does not name. */
#define KPF_LOCKED	0
#define KPF_MMAP	11

struct area {
	char *at;
	int pagemap;
	__u64 seed[PAGES];	/* of the contents */
	__u64 entry[PAGES];	/* as pagemap had it at the last look */
	__u64 *cached;		/* frames of pages in the swap cache alone */
};

/* What all owners tell, in memory that they share. */
static struct {
	__u64 seeds;		/* the last one that has been given out */
	unsigned long lives;
	unsigned long caught;	/* acts on a page that was on its way */
	unsigned long copied[GENERATIONS];	/* of these, by a fork */
	unsigned long moved;	/* pages that did so in the swap cache */
	unsigned long back;	/* pages that swapoff has brought back */
	unsigned long swapoffs;
	unsigned long bad;	/* pages with contents that nobody wrote there */
	unsigned long failed;
	unsigned long stop;	/* what all are told */
} *told;

static int kpageflags;

static inline int owners_begin(void)
{
	kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return kpageflags < 0 || told == MAP_FAILED ? -1 : 0;
}

static inline void tell(unsigned long *what, unsigned long nr)
{
	__atomic_add_fetch(what, nr, __ATOMIC_RELAXED);
}

static inline unsigned long ask(const unsigned long *what)
{
	return __atomic_load_n(what, __ATOMIC_RELAXED);
}

static inline void give_up(void)
{
	tell(&told->failed, 1);
	_exit(1);
}

/* A child that ends with its parent, and when it is stuck. */
static inline pid_t begin_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(STUCK_SECONDS);
	}
	return pid;
}

static inline void end_child(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		tell(&told->failed, 1);
}

/* What an owner has, and where it is. */

static inline __u64 new_seed(void)
{
	return __atomic_add_fetch(&told->seeds, 1, __ATOMIC_RELAXED);
}

static inline char *page_of(const struct area *a, size_t i)
{
	return a->at + i * cu_psize;
}

static inline void area_fill(struct area *a, size_t from, size_t nr)
{
	__u64 seed = new_seed();
	size_t i;

	for (i = from; i < from + nr; i++) {
		cu_page_fill(page_of(a, i), seed, i);
		a->seed[i] = seed;
	}
}

/* Each page with a chance of so many percent. */
static inline void area_write(struct area *a, struct cu_rng *rng,
			      unsigned int percent)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (cu_chance(rng, percent))
			area_fill(a, i, 1);
}

static inline void area_check(const struct area *a)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (!cu_page_ok(page_of(a, i), a->seed[i], i))
			tell(&told->bad, 1);
}

/* The pagemap of this process, which is not that of the one that forked it. */
static inline void area_open(struct area *a)
{
	a->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (a->pagemap < 0)
		give_up();
}

static inline void area_reopen(struct area *a)
{
	close(a->pagemap);
	area_open(a);
}

/* Memory of this process alone, and so is its anon_vma. */
static inline void area_make(struct area *a)
{
	a->at = cu_map(PAGES);
	if (!a->at)
		give_up();
	area_fill(a, 0, PAGES);
}

static inline void area_look(struct area *a)
{
	off_t from = (uintptr_t)a->at / cu_psize * sizeof(a->entry[0]);

	if (pread(a->pagemap, a->entry, sizeof(a->entry), from) !=
	    sizeof(a->entry))
		give_up();
}

static inline bool is_there(__u64 entry)
{
	return entry >> PM_PRESENT_BIT;
}

static inline bool is_away(__u64 entry)
{
	return entry >> PM_SWAP_BIT == 1 && (entry & PM_TYPE) >= PM_NO_AREA;
}

static inline __u64 frame_of(__u64 entry)
{
	if (is_there(entry))
		return entry & PM_FRAME;
	return is_away(entry) ? (entry & PM_FRAME) >> PM_TYPE_BITS : 0;
}

static inline bool frame_is(__u64 frame, __u64 mask, __u64 flags)
{
	__u64 now;

	return frame && pread(kpageflags, &now, sizeof(now),
			      frame * sizeof(now)) == sizeof(now) &&
	       (now & mask) == flags;
}

/* What there is to be seen of a page on its way. */

static inline bool see_away(struct area *a)
{
	size_t i;

	area_look(a);
	for (i = 0; i < PAGES; i++)
		if (is_away(a->entry[i]))
			return true;
	return false;
}

/* Migration has isolated and locked it; the page tables may have it still. */
static inline bool frame_taken(__u64 frame)
{
	return frame_is(frame, cu_kpf(KPF_LOCKED) | cu_kpf(CU_KPF_LRU),
			cu_kpf(KPF_LOCKED));
}

static inline bool see_taken(struct area *a)
{
	size_t i;

	area_look(a);
	for (i = 0; i < PAGES; i++)
		if (is_there(a->entry[i]) && frame_taken(frame_of(a->entry[i])))
			return true;
	return false;
}

static inline bool see_cached_taken(struct area *a)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (frame_taken(a->cached[i]))
			return true;
	return false;
}

/* For so long, and it looks every so often. */
static inline bool wait_to_see(struct area *a, long ms, long every,
			       bool (*see)(struct area *a))
{
	long end = cu_now_ms() + ms;

	do {
		if (see(a))
			return true;
		cu_sleep_ms(every);
	} while (cu_now_ms() < end);
	return false;
}

#endif /* __COMPACT_OWNER_H */
