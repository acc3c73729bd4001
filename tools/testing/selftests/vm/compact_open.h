/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The doors of compaction, all open at once: processes that go through one of them
 * each, again and again, and are called like it; but who wakes kcompactd is not.
 */
#ifndef __COMPACT_OPEN_H
#define __COMPACT_OPEN_H

#include <errno.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_mixture.h"
#include "compact_scene.h"

#define CMA		"/sys/kernel/debug/cma/reserved/"
#define CONTIG		"/sys/kernel/debug/alloc_contig"
#define BLOCKS		"/sys/devices/system/memory/"
/* Left for the others by those who want huge pages; ranges are larger. */
#define RESERVE		((96UL << 20) / cu_psize)
#define RANGES		((64UL << 20) / cu_psize)
/* How long a door has to close. */
#define CLOSE_MS	100
#define HANG_MS		60000
/* Is a memory block that takes longer no good? */
#define OFFLINE_MS	10000

enum door {
	MEMORY	= 1 << 0,	/* compact_memory */
	HUGE	= 1 << 1,	/* hugetlb and faults, more than is there */
	RANGE	= 1 << 2,	/* a large range, and nearly all of CMA */
	MOVE	= 1 << 3,	/* move_pages(2) to the other node and back */
	OFFLINE	= 1 << 4,	/* a memory block */
	DAEMON	= 1 << 5,	/* kcompactd, proactively */
};

#define NR_DOORS	6

static const char * const door_name[NR_DOORS] = {
	"memory", "huge", "range", "move", "offline", "kcompactd",
};

/* For a message. */
static const char *names_of(unsigned int doors)
{
	static char names[64];
	size_t len = 0;
	int i;

	*names = '\0';
	for (i = 0; i < NR_DOORS; i++)
		if (doors & (1U << i))
			len += snprintf(names + len, sizeof(names) - len, " %s",
					door_name[i]);
	return len ? names : " none";
}

static bool *stop;		/* shared with the doors */
static unsigned int opened;	/* doors */
static struct cu_rng rng;
static char offline_block[32];

/* The doors, each a process of its own that does its work again and again. */

static void through_memory(void)
{
	cu_compact();
}

/*
 * First what can be had without work, so that the rest needs some. Where others
 * compact as well that may be all there is, so some is left for them.
 */
static void through_huge(void)
{
	static struct cu_zones zones;
	struct demand want;
	long easy, most, left = RESERVE + (opened & RANGE ? RANGES : 0);

	if (cu_read_zones(&zones))
		return;
	easy = cu_huge_free(&zones);
	most = ((long)cu_meminfo("MemFree") - left) >> cu_huge_order();
	easy = huge_base + (easy < most ? easy : most > 0 ? most : 0);
	cu_write_long(HUGETLB, easy);
	if (!demand_map(&want, 4)) {
		demand_fault(&want, 0, want.nr);
		demand_unmap(&want);
	}
	cu_write_long(HUGETLB, easy + 4);
	cu_write_long(HUGETLB, huge_base);
}

/*
 * There are few places for so much, or all of them would be tried for minutes. In
 * CMA there may be free huge pages, elsewhere they are passed over.
 */
static void through_range(void)
{
	long nr = cu_read_long(CMA "count") - (long)(cu_rand(&rng) % 8);

	if (nr > 0) {
		cu_write_long(CMA "alloc", nr);
		cu_write_long(CMA "free", nr);
	}
	cu_write_long(CONTIG, 1L << (12 + cu_rand(&rng) % 3));
}

/* The pages of the parent, of one kind; huge ones by their heads. */
static void move_kind(const struct kind *k, size_t step, int to)
{
	static void *page[KIND_PAGES];
	static int node[KIND_PAGES], status[KIND_PAGES];
	size_t nr;

	for (nr = 0; nr * step < k->pages; nr++) {
		page[nr] = k->area + nr * step * cu_psize;
		node[nr] = to;
	}
	syscall(SYS_move_pages, getppid(), nr, page, node, status,
		MPOL_MF_MOVE_ALL);
}

static void through_move(void)
{
	int to;

	for (to = 0; to < 2; to++) {
		move_kind(&kinds[THP], huge_size() / cu_psize, to);
		move_kind(&kinds[HUGE_SHMEM], huge_size() / cu_psize, to);
		move_kind(&kinds[ANON], 1, to);
		move_kind(&kinds[SHMEM], 1, to);
		move_kind(&kinds[EXT4], 1, to);
		move_kind(&kinds[RAMDISK], 1, to);
	}
}

static int set_block(const char *state)
{
	char path[128];

	snprintf(path, sizeof(path), BLOCKS "%s/state", offline_block);
	return cu_write_text(path, state);
}

/* What cannot be moved is tried again until a signal comes. */
static void through_offline(void)
{
	set_block("offline");
	set_block("online_movable");
}

/* Each write wakes it. */
static void through_daemon(void)
{
	cu_write_long(CU_PROACTIVE, 100);
	cu_sleep_ms(20);
}

static void (* const through[NR_DOORS])(void) = {
	through_memory, through_huge, through_range, through_move,
	through_offline, through_daemon,
};

/* Fault injection for the daemons, or no more. Returns how many there are. */
static int inject_daemons(bool on)
{
	int node, nr = 0;
	char name[32];
	pid_t pid;

	for (node = 0; node < 2; node++) {
		snprintf(name, sizeof(name), "kcompactd%d", node);
		if (tasks_named(name, &pid)) {
			snprintf(name, sizeof(name), "/proc/%d/make-it-fail", pid);
			nr += !cu_write_long(name, on);
		}
	}
	return nr;
}

static pid_t open_door(int door, bool injected)
{
	bool wakes = through[door] == through_daemon;
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("no child\n");
	if (pid && injected && wakes && inject_daemons(true) < 2)
		ksft_exit_fail_msg("no faults for kcompactd\n");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, wakes ? "waker" : door_name[door]);
	cu_rng_seed(&rng, mix_seed + door);
	if (injected && !wakes)
		cu_write_text("/proc/self/make-it-fail", "1");
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		through[door]();
	_exit(0);
}

/* Those who do not end by themselves are killed; that must be enough. */
static bool close_doors(const pid_t *pid)
{
	long end = cu_now_ms() + CLOSE_MS;
	bool hang = false;
	int i;

	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_DOORS; i++) {
		if (pid[i] <= 0 ||
		    cu_wait_ms(pid[i], NULL, end - cu_now_ms()) == pid[i])
			continue;
		kill(pid[i], SIGKILL);
		if (cu_wait_ms(pid[i], NULL, HANG_MS) == pid[i])
			continue;
		ksft_print_msg("door %s hangs\n", door_name[i]);
		hang = true;
	}
	return !hang;
}

/* As it was, whatever the doors have left undone. */
static void put_back(void)
{
	cu_write_long(CMA "free", 1L << 20);
	cu_write_long(HUGETLB, huge_base);
	cu_write_long(CU_PROACTIVE, 0);
	inject_daemons(false);
	if (*offline_block)
		set_block("online_movable");
}

static bool can_go(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		set_block("online");
		_exit(set_block("offline") || set_block("online_movable"));
	}
	if (pid < 0 || cu_wait_ms(pid, &status, OFFLINE_MS) == pid)
		return pid > 0 && !status;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return false;
}

/* The last block that can be put offline: the first ones hold the kernel. */
static void find_block(void)
{
	int nr;

	for (nr = 255; nr >= 0; nr--) {
		snprintf(offline_block, sizeof(offline_block), "memory%d", nr);
		if (can_go())
			return;
	}
	ksft_exit_skip("no memory can be put offline\n");
}

#endif /* __COMPACT_OPEN_H */
