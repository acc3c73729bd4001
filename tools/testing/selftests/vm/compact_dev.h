/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices for the compaction tests: a file system, swap and a compressed disk,
 * all in memory, so that nothing of the machine under test is touched.
 */
#ifndef __COMPACT_DEV_H
#define __COMPACT_DEV_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compact_util.h"

/* Runs a program without its output. Returns 0 if it went well. */
static inline int dev_run(const char * const argv[])
{
	int status, null;
	pid_t pid = fork();

	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/*
 * A file system, "ext2" or "ext4", with blocks of so many bytes, mounted at dir, which
 * is made. Returns NULL or what went wrong.
 */
static inline const char *dev_ext(const char *type, const char *block,
				  const char *disk, const char *dir)
{
	const char * const own[] = { "mke2fs", "-F", "-b", block, disk, NULL };
	const char * const box[] = { "busybox", "mke2fs", "-F", "-b", block,
				     disk, NULL };

	if (access(disk, W_OK))
		return "no disk";
	if (dev_run(box) && dev_run(own))
		return "no mke2fs that works";
	mkdir(dir, 0700);
	if (mount(disk, dir, type, 0, NULL))
		return "the file system is not there";
	return NULL;
}

/* A new zram disk of its own; path is for its name. Returns NULL or why not. */
static inline const char *dev_zram(char *path, size_t len, long mib)
{
	long nr = cu_read_long("/sys/class/zram-control/hot_add");
	char size[64];

	if (nr < 0)
		return "no zram";
	snprintf(size, sizeof(size), "/sys/block/zram%ld/disksize", nr);
	if (cu_write_long(size, mib << 20))
		return "zram takes no size";
	snprintf(path, len, "/dev/zram%ld", nr);
	return NULL;
}

/* The swap area's header: a version, its last page, and a magic at the end. */
static inline const char *dev_swap(const char *disk, unsigned int mib)
{
	unsigned int *head = calloc(1, cu_psize);
	int ret;

	if (!head)
		return "no memory";
	head[1024 / sizeof(*head)] = 1;
	head[1024 / sizeof(*head) + 1] = (mib << 20) / cu_psize - 1;
	memcpy((char *)head + cu_psize - 10, "SWAPSPACE2", 10);
	ret = cu_write_buf(disk, head, cu_psize);
	free(head);
	if (ret != (int)cu_psize || swapon(disk, 0))
		return "no swap";
	return NULL;
}

#endif /* __COMPACT_DEV_H */
