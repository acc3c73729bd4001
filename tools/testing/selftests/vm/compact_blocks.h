/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The memory block that a page is in, and processes that put it offline.
 */
#ifndef __COMPACT_BLOCKS_H
#define __COMPACT_BLOCKS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_pin.h"

#define MEMORY		"/sys/devices/system/memory/"
#define NODE		1
#define PATIENCE_MS	20000

static unsigned long block_size(void)
{
	char text[32] = "";
	int fd = open(MEMORY "block_size_bytes", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return strtoul(text, NULL, 16);
}

static long block_of(const void *addr)
{
	unsigned long size = block_size();
	__u64 pfn = 0;

	if (!size || cu_pfns(addr, 1, &pfn) || !pfn)
		return -1;
	return pfn * cu_psize / size;
}

static int block_set(long block, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), MEMORY "memory%ld/state", block);
	return cu_write_text(path, state);
}

static bool block_is(long block, const char *state)
{
	char path[64], text[64] = "";

	snprintf(path, sizeof(path), MEMORY "memory%ld/state", block);
	return !knob_read(path, text, sizeof(text)) &&
	       !strncmp(text, state, strlen(state));
}

/* A process that puts a block offline; it reports by its exit status. */
static pid_t offline_begin(long block)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-block_set(block, "offline") & 0xff);
	}
	return pid;
}

/*
 * Returns what is wrong, if anything is; -EBUSY is not. If it does not end, there
 * is not much that could still be tried.
 */
static const char *offline_end(pid_t pid, int *err)
{
	int status;

	*err = -ECHILD;
	if (pid < 0)
		return "no child";
	if (cu_wait_ms(pid, &status, PATIENCE_MS) != pid) {
		kill(pid, SIGKILL);
		cu_wait_ms(pid, &status, PATIENCE_MS);
		ksft_exit_fail_msg("putting memory offline does not end\n");
	}
	if (!WIFEXITED(status))
		return "putting memory offline was killed";
	*err = -WEXITSTATUS(status);
	if (*err && *err != -EBUSY && *err != -EAGAIN)
		return strerror(-*err);
	return NULL;
}

static unsigned long node_free(int node)
{
	static struct cu_zones zones;
	unsigned long free = 0;
	int i;

	cu_write_text("/proc/sys/vm/drop_caches", "3");
	cu_read_zones(&zones);
	for (i = 0; i < zones.nr; i++)
		if (zones.zone[i].node == node)
			free += zones.zone[i].free + zones.zone[i].pcp;
	return free;
}

#endif /* __COMPACT_BLOCKS_H */
