/* SPDX-License-Identifier: GPL-2.0 */
/*
 * More kinds of pages that compact_contents.c moves: those of swap and zram.
 */
#ifndef __COMPACT_SWAP_H
#define __COMPACT_SWAP_H

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_dev.h"
#include "compact_kinds.h"

#define ZRAM_MIB	128

/* Kinds that are found by their page flags, in the frames of all memory. */

static void locate_flags(struct kind *k, int which)
{
	k->frames = cu_scan_kpageflags(k->flag_mask, k->flag_want,
				       &k->found[which]);
	if (!k->frames)
		broken(k, "kpageflags cannot be read");
}

/*
 * Swap: of three pages one comes back to the swap cache only, one is mapped
 * again and still there, and one stays out and is an object in zram.
 */
static const char *setup_swap(struct kind *k)
{
	static const char *why = "";
	static char disk[32];

	if (why && !*why) {
		why = dev_zram(disk, sizeof(disk), ZRAM_MIB);
		if (!why)
			why = dev_swap(disk, ZRAM_MIB);
	}
	return why ? why : setup_anon(k);
}

static void place_swap(struct kind *k, size_t i)
{
	char *page = page_of(k, i);

	place_mapped(k, i);
	madvise(page, cu_psize, MADV_PAGEOUT);
	if (i % 3 < 2)
		madvise(page, cu_psize, MADV_WILLNEED);
	if (i % 3 == 1)
		memcpy(buf, page, sizeof(size_t));
}

static void locate_swap(struct kind *k, int which)
{
	size_t present = 0, cached = 0, i;

	locate_flags(k, which);
	for (i = 0; i < k->frames; i++)
		cached += cu_bit(k->found[which], i);
	if (cached < opt.pages / 2)
		broken(k, "pages are not in the swap cache");
	if (cu_pfns(k->area, opt.pages, k->pfn[which]))
		broken(k, "pagemap cannot be read");
	for (i = 0; i < opt.pages; i++)
		present += !!k->pfn[which][i];
	if (present > opt.pages / 2)
		broken(k, "pages were not swapped out");
}

/*
 * zram's own pages. Half of each page written is random and does not compress,
 * so that two objects fill a page of zsmalloc, and it needs many.
 */
static void fill_mixed(char *page, const struct kind *k, size_t i)
{
	__u64 *word = (__u64 *)page;
	struct cu_rng rng;
	size_t w;

	cu_page_fill(page, seed_of(k), i);
	cu_rng_seed(&rng, seed_of(k) + i);
	for (w = 0; w < cu_psize / sizeof(*word) / 2; w++)
		word[w] = cu_rand(&rng);
}

static const char *setup_zram(struct kind *k)
{
	static const char *why = "";
	static char disk[32];

	if (why && !*why)
		why = dev_zram(disk, sizeof(disk), ZRAM_MIB);
	if (why)
		return why;
	/* Past the page cache: what is read back comes from zsmalloc. */
	k->fd = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	return k->fd < 0 ? "zram cannot be opened" : NULL;
}

static void place_zram(struct kind *k, size_t i)
{
	fill_mixed(buf, k, i);
	if (pwrite(k->fd, buf, cu_psize, i * cu_psize) != (ssize_t)cu_psize)
		broken(k, "write failed");
}

static size_t bad_zram(struct kind *k)
{
	char *want = malloc(cu_psize);
	size_t bad = 0, i;

	for (i = 0; want && i < opt.pages; i++) {
		fill_mixed(want, k, i);
		bad += pread(k->fd, buf, cu_psize, i * cu_psize) !=
		       (ssize_t)cu_psize || memcmp(buf, want, cu_psize);
	}
	if (!want)
		broken(k, "no memory");
	free(want);
	return bad;
}

/* Empty it, or the next round would only fill the holes of this one. */
static void end_zram(struct kind *k)
{
	__u64 range[2] = { 0, (__u64)ZRAM_MIB << 20 };

	ioctl(k->fd, BLKDISCARD, range);
	close(k->fd);
}

#endif /* __COMPACT_SWAP_H */
