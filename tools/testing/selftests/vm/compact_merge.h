/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ksmd and its counters, memory blocks that go offline, and areas of pages that are
 * to be merged: for compact_ksm.c.
 */
#ifndef __COMPACT_MERGE_H
#define __COMPACT_MERGE_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define BLOCKS		"/sys/devices/system/memory/"
#define KPF_KSM		21
#define MAX_BLOCKS	64
/* Far more than anything takes, and far less than for ever. */
#define LONG_MS		30000
#define OFFLINE_MS	20000

static __u64 merge_seed = 1;
static int block[MAX_BLOCKS];
static int nr_blocks;
static unsigned long block_pages;
/* ksmd. */

static long ksm_read(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), KSM "%s", name);
	return cu_read_long(path);
}

static int ksm_write(const char *name, long val)
{
	char path[64];

	snprintf(path, sizeof(path), KSM "%s", name);
	return cu_write_long(path, val);
}

static bool wait_scans(int nr)
{
	long goal = ksm_read("full_scans") + nr, end = cu_now_ms() + LONG_MS;

	while (ksm_read("full_scans") < goal && cu_now_ms() < end)
		cu_sleep_ms(5);
	return ksm_read("full_scans") >= goal;
}

static long merged(void)
{
	return ksm_read("pages_shared") + ksm_read("pages_sharing");
}

/* Lets ksmd work until so many pages are merged, or LONG_MS have passed. */
static bool wait_merged(long goal)
{
	long end = cu_now_ms() + LONG_MS;

	ksm_write("run", 1);
	while (merged() != goal && cu_now_ms() < end)
		cu_sleep_ms(10);
	if (merged() != goal)
		ksft_print_msg("%ld pages are merged, not %ld\n", merged(),
			       goal);
	return merged() == goal;
}

/* All of KSM's pages that are mapped, and how often they are. */
static bool read_mapped(long *frames, long *mapped)
{
	int fd = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	size_t nr, i;
	__u8 *found;
	__u64 count;

	*frames = 0;
	*mapped = 0;
	nr = cu_scan_kpageflags(cu_kpf(KPF_KSM), cu_kpf(KPF_KSM), &found);
	for (i = 0; i < nr; i++) {
		if (!cu_bit(found, i) ||
		    pread(fd, &count, sizeof(count), i * sizeof(count)) !=
		    sizeof(count))
			continue;
		*frames += count > 0;
		*mapped += count;
	}
	free(found);
	close(fd);
	return nr;
}

/* At rest: ksmd finds the last changes in a few rounds, and is stopped then. */
static bool counts_agree(void)
{
	long shared = 0, sharing = 0, frames = -1, mapped = -1;
	int i;

	for (i = 0; i < 5; i++) {
		ksm_write("run", 1);
		wait_scans(2);
		ksm_write("run", 0);
		shared = ksm_read("pages_shared");
		sharing = ksm_read("pages_sharing");
		if (read_mapped(&frames, &mapped) && frames == shared &&
		    mapped == shared + sharing)
			break;
	}
	ksft_print_msg("%ld pages shared by %ld more, %ld frames mapped %ld times\n",
		       shared, sharing, frames, mapped);
	return i < 5 && shared > 0;
}

/* All processes with merged pages are gone: ksmd finds out. */
static bool all_gone(void)
{
	bool gone = wait_merged(0);

	ksm_write("run", 2);
	ksm_write("run", 0);
	return gone;
}

/* Memory that goes offline. */

static void on_signal(int sig)
{
	(void)sig;
}

/* Returns 0 or the error; a child does it, as it may have to be broken off. */
static int set_block(int nr, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "memory%d/state", nr);
	return -cu_write_text(path, state);
}

static pid_t start_offline(int nr)
{
	struct sigaction act = { .sa_handler = on_signal };
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("no child\n");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGALRM, &act, NULL);
	_exit(set_block(nr, "offline"));
}

/* Returns the error that it ended with, 0 for none, or -1 if it does not end. */
static int end_offline(pid_t pid, long ms)
{
	int status;

	if (cu_wait_ms(pid, &status, ms) == pid && WIFEXITED(status))
		return WEXITSTATUS(status);
	kill(pid, SIGALRM);
	if (cu_wait_ms(pid, &status, ms) == pid && WIFEXITED(status))
		return WEXITSTATUS(status);
	kill(pid, SIGKILL);
	return -1;
}

static bool all_offline(void)
{
	bool right = true;
	int i, err;

	for (i = 0; i < nr_blocks; i++) {
		err = end_offline(start_offline(block[i]), OFFLINE_MS);
		if (err)
			ksft_print_msg("memory%d does not go offline: %d\n",
				       block[i], err);
		right &= !err;
	}
	return right;
}

static bool is_online(int nr)
{
	char path[64], state[16];

	snprintf(path, sizeof(path), BLOCKS "memory%d/state", nr);
	return !knob_read(path, state, sizeof(state)) &&
	       !strncmp(state, "online", 6);
}

static bool all_online(void)
{
	bool right = true;
	int i;

	for (i = 0; i < nr_blocks; i++) {
		set_block(block[i], "online_movable");
		right &= is_online(block[i]);
	}
	return right;
}

static int block_of(__u64 pfn)
{
	int i;

	for (i = 0; i < nr_blocks; i++)
		if (pfn / block_pages == (__u64)block[i])
			return block[i];
	return -1;
}

static void find_blocks(void)
{
	char text[32] = "";
	DIR *dir = opendir(NODES "node1");
	struct dirent *entry;

	if (knob_read(BLOCKS "block_size_bytes", text, sizeof(text)) || !dir)
		ksft_exit_skip("there is one node\n");
	block_pages = strtoul(text, NULL, 16) / cu_psize;
	while ((entry = readdir(dir)) && nr_blocks < MAX_BLOCKS)
		if (sscanf(entry->d_name, "memory%d", &block[nr_blocks]) == 1)
			nr_blocks++;
	closedir(dir);
	if (!nr_blocks || !all_offline() || !all_online())
		ksft_exit_skip("no node can be without memory\n");
}

/* Pages that are to be merged, on one node if there is room. */

static char *map_on(int node, size_t pages)
{
	unsigned long nodes = 1UL << node;
	char *area = cu_map(pages);

	if (!area)
		ksft_exit_fail_msg("no memory\n");
	syscall(SYS_mbind, area, pages * cu_psize, MPOL_PREFERRED, &nodes,
		MAX_NODES + 1, 0);
	return area;
}

static void fill_area(char *area, size_t pages, size_t contents)
{
	size_t i;

	for (i = 0; i < pages; i++)
		cu_page_fill(area + i * cu_psize, merge_seed, i % contents);
	madvise(area, pages * cu_psize, MADV_MERGEABLE);
}

static size_t bad_area(const char *area, size_t pages, size_t contents)
{
	size_t bad = 0, i;

	for (i = 0; i < pages; i++)
		bad += !cu_page_ok(area + i * cu_psize, merge_seed, i % contents);
	return bad;
}

/* How many pages lie in this block, or in any that is going to be or should be offline? */
#define ANY_BLOCK	-1

static size_t pages_in(int which, const char *area, size_t pages)
{
	__u64 *pfn = calloc(pages, sizeof(*pfn));
	size_t nr = 0, i;
	int at;

	if (!pfn || cu_pfns(area, pages, pfn))
		ksft_exit_fail_msg("pagemap cannot be read\n");
	for (i = 0; i < pages; i++) {
		at = block_of(pfn[i]);
		nr += at >= 0 && (which == ANY_BLOCK || at == which);
	}
	free(pfn);
	return nr;
}

static size_t pages_in_blocks(const char *area, size_t pages)
{
	return pages_in(ANY_BLOCK, area, pages);
}

/* Memory is on its way when the pages have left that can. */
static bool wait_gone_from(int nr, const char *area, size_t pages)
{
	long end = cu_now_ms() + LONG_MS;

	while (pages_in(nr, area, pages) && cu_now_ms() < end)
		cu_sleep_ms(2);
	return !pages_in(nr, area, pages);
}

/* How many pages of one area do not lie where those of the other do? */
static size_t pages_apart(const char *a, const char *b, size_t pages)
{
	__u64 *pfn = calloc(2 * pages, sizeof(*pfn));
	size_t nr = 0, i;

	if (!pfn || cu_pfns(a, pages, pfn) || cu_pfns(b, pages, pfn + pages))
		ksft_exit_fail_msg("pagemap cannot be read\n");
	for (i = 0; i < pages; i++)
		nr += !pfn[i] || pfn[i] != pfn[pages + i];
	free(pfn);
	return nr;
}

#endif /* __COMPACT_MERGE_H */
