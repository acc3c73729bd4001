/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel counts when nothing is under way: pages and pageblocks that are
 * isolated, free pages, and all pages that somebody accounts for. Of these there
 * are as many as before, whatever has been done in between.
 */
#ifndef __COMPACT_REST_H
#define __COMPACT_REST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_race.h"

#define RETRIES		100
#define RETRY_MS	10

/* Pages that come and go all the same. */
static long rest_bound = 64;

/* Counted in pages; nr_kernel_stack is in KiB. */
static const char * const held_name[] = {
	"nr_zone_inactive_anon", "nr_zone_active_anon",
	"nr_zone_inactive_file", "nr_zone_active_file",
	"nr_zone_unevictable", "nr_slab_reclaimable",
	"nr_slab_unreclaimable", "nr_page_table_pages", "nr_zspages",
};

struct rest {
	long isolated;		/* pages, summed up over the nodes */
	long blocks;		/* that are isolated */
	long accounted;
	struct free_audit audit;
};

/* The last figure of each line in the second part of the file. */
static long isolated_blocks(void)
{
	FILE *in = fopen("/proc/pagetypeinfo", "r");
	bool second = false;
	char line[512];
	long nr = 0;

	while (in && fgets(line, sizeof(line), in)) {
		if (!strncmp(line, "Number of blocks", 16))
			second = true;
		if (!strncmp(line, "Free pages count", 16))
			second = false;
		line[strcspn(line, "\n")] = '\0';
		while (*line && line[strlen(line) - 1] == ' ')
			line[strlen(line) - 1] = '\0';
		if (second && !strncmp(line, "Node", 4))
			nr += atol(strrchr(line, ' '));
	}
	if (in)
		fclose(in);
	return nr;
}

/* A call without pages puts all that wait for it on their LRU lists. */
static void drain_lru(void)
{
	void *page = NULL;
	int node = 0, status;

	syscall(SYS_move_pages, 0, 0, &page, &node, &status, MPOL_MF_MOVE);
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
}

static void look(struct rest *rest)
{
	static struct cu_zones zones;
	size_t i;
	int z;

	memset(rest, 0, sizeof(*rest));
	drain_lru();
	if (cu_read_zones(&zones) || free_audit(&rest->audit))
		ksft_exit_fail_msg("cannot read the free memory\n");
	for (z = 0; z < zones.nr; z++) {
		rest->isolated += zones.zone[z].isolated;
		rest->accounted += cu_buddy_pages(&zones.zone[z], 0) +
				   zones.zone[z].pcp;
	}
	rest->blocks = isolated_blocks();
	for (i = 0; i < ARRAY_SIZE(held_name); i++)
		rest->accounted += cu_vmstat(held_name[i]);
	rest->accounted += cu_meminfo("Hugetlb") +
			   cu_vmstat("nr_kernel_stack") * 1024 / (long)cu_psize;
}

/* Looks until all is as it was, and if it never is, the last look. */
static bool at_rest(const struct rest *was)
{
	struct rest is;
	int i;

	for (i = 0; i < RETRIES; i++) {
		look(&is);
		if (!is.isolated && !is.blocks &&
		    is.audit.unequal == was->audit.unequal &&
		    is.audit.misplaced == was->audit.misplaced &&
		    is.audit.bad == was->audit.bad &&
		    labs(is.accounted - was->accounted) <= rest_bound)
			return true;
		cu_sleep_ms(RETRY_MS);
	}
	ksft_print_msg("isolated: %ld pages, %ld blocks; %ld pages missing\n",
		       is.isolated, is.blocks, was->accounted - is.accounted);
	ksft_print_msg("free pages: %ld unequal, %ld misplaced, %ld bad\n",
		       is.audit.unequal, is.audit.misplaced, is.audit.bad);
	return false;
}

/* The counters are read one after the other: what is read twice is right. */
static void look_twice(struct rest *rest)
{
	long was;

	look(rest);
	do {
		was = rest->accounted;
		look(rest);
	} while (labs(rest->accounted - was) > rest_bound / 4);
}

static int log_fd;

/* From now on what the kernel log says is looked at. */
static bool rest_begin(void)
{
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return log_fd >= 0 && !lseek(log_fd, 0, SEEK_END);
}

/* A count below zero reads as 0; stat_refresh tells of it in the kernel log. */
static long negative_reports(void)
{
	char record[1024];
	ssize_t len;
	long nr = 0;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		record[len > 0 ? len : 0] = '\0';
		nr += !!strstr(record, "vmstat_refresh: nr_isolated");
	}
	return nr;
}

#endif /* __COMPACT_REST_H */
