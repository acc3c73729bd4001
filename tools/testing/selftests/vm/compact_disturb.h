/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What may happen to the pages of a buffer while a disk reads into it.
 */
#ifndef __COMPACT_DISTURB_H
#define __COMPACT_DISTURB_H

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_sectors.h"

/* What came of the rounds of a line. */
struct outcome {
	unsigned int done;
	unsigned int gone;	/* memory that was put offline */
	unsigned int busy;
	unsigned int unmapped;	/* pages that the process had to fault in */
	unsigned int before;	/* forks that came before the data */
	unsigned int wrong;	/* sectors */
	const char *why;
};

static bool is_mapped(const struct buffer *buf)
{
	__u64 pfn[PAGES];
	unsigned int i;

	if (cu_pfns(buf->area, PAGES, pfn))
		return true;
	for (i = 0; i < PAGES; i++)
		if (!pfn[i])
			return false;
	return true;
}

static void reclaim(struct buffer *buf, struct outcome *out)
{
	madvise(buf->area, PAGES * cu_psize, MADV_PAGEOUT);
	out->unmapped += !is_mapped(buf);
}

static void reclaim_then_read(struct buffer *buf, struct outcome *out)
{
	reclaim(buf, out);
	out->wrong += buffer_wrong(buf, MINE);
	buffer_write(buf, MINE);
}

static void reclaim_then_write(struct buffer *buf, struct outcome *out)
{
	reclaim(buf, out);
	buffer_write(buf, MINE);
}

static void protect(struct buffer *buf, struct outcome *out)
{
	mprotect(buf->raw, buf->raw_len, PROT_READ);
	out->wrong += buffer_wrong(buf, MINE);
	mprotect(buf->raw, buf->raw_len, PROT_READ | PROT_WRITE);
	buffer_write(buf, MINE);
}

static void move_about(struct buffer *buf, struct outcome *out)
{
	void *page[PAGES];
	int node[PAGES], status[PAGES], i, to = cu_rand(&rng) % 2;

	for (i = 0; i < PAGES; i++) {
		page[i] = buf->area + i * cu_psize;
		node[i] = to;
	}
	syscall(SYS_move_pages, 0, (unsigned long)PAGES, page, node, status,
		MPOL_MF_MOVE);
	cu_compact();
	out->wrong += buffer_wrong(buf, MINE);
	buffer_write(buf, MINE);
}

struct disturbance {
	const char *name;
	void (*todo)(struct buffer *buf, struct outcome *out);
	bool unmaps;	/* pages that are not huge */
};

static const struct disturbance disturbances[] = {
	{ "reclaimed, read and written", reclaim_then_read, true },
	{ "reclaimed and written", reclaim_then_write, true },
	{ "write-protected for a while", protect, false },
	{ "moved, or not", move_about, false },
};

#endif /* __COMPACT_DISTURB_H */
