/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of several kinds at once, with contents that can be told: what
 * compact_failing.c has on its way when something fails. It is there for the whole
 * of a test, and nothing of it is shared with children.
 */
#ifndef __COMPACT_MIXTURE_H
#define __COMPACT_MIXTURE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_dev.h"
#include "compact_scene.h"

#define HUGETLB		"/proc/sys/vm/nr_hugepages"
#define ZRAM_MIB	64
#define EXT4_DIR	"/tmp/compact_mixture.d"

#define KIND_PAGES	512
#define HUGE_PAGES	4

static __u64 mix_seed = 1;
static long huge_base;		/* hugetlb's pages that are part of it */

enum { ANON, SHMEM, SWAPPED, THP, HUGE_SHMEM, EXT4, RAMDISK, NR_KINDS };

static struct kind {
	const char *name;
	char *area;
	int fd;			/* if it is a file */
	size_t pages;
} kinds[NR_KINDS] = {
	[ANON]		= { "anon", .pages = KIND_PAGES },
	[SHMEM]		= { "shmem", .pages = KIND_PAGES },
	[SWAPPED]	= { "swapped", .pages = KIND_PAGES },
	[THP]		= { "thp" },
	[HUGE_SHMEM]	= { "hugetlb" },
	[EXT4]		= { "ext4", .pages = KIND_PAGES },
	[RAMDISK]	= { "ram disk", .pages = KIND_PAGES },
};

static void fill_area(struct kind *k, __u64 id)
{
	size_t i;

	for (i = 0; i < k->pages; i++)
		cu_page_fill(k->area + i * cu_psize, mix_seed + id, i);
}

/* What is dirty has to be written before it moves without waiting for that. */
static void fill_file(struct kind *k, __u64 id)
{
	fill_area(k, id);
	if (fsync(k->fd))
		ksft_exit_fail_msg("%s cannot be written\n", k->name);
}

static size_t bad_pages(const struct kind *k, __u64 id)
{
	size_t bad = 0, i;

	for (i = 0; i < k->pages; i++)
		bad += !cu_page_ok(k->area + i * cu_psize, mix_seed + id, i);
	return bad;
}

static bool contents_right(void)
{
	size_t bad, all = 0;
	int id;

	for (id = 0; id < NR_KINDS; id++) {
		bad = bad_pages(&kinds[id], id);
		if (bad)
			ksft_print_msg("%zu pages of %s are not right\n", bad,
				       kinds[id].name);
		all += bad;
	}
	return !all;
}

/* Of three pages one is mapped, one in the swap cache, and one out in zram. */
static void swap_out(const struct kind *k)
{
	size_t i;

	madvise(k->area, k->pages * cu_psize, MADV_PAGEOUT);
	for (i = 0; i < k->pages; i++) {
		char *page = k->area + i * cu_psize;

		if (i % 3 < 2)
			madvise(page, cu_psize, MADV_WILLNEED);
		if (i % 3 == 1)
			__atomic_load_n(page, __ATOMIC_RELAXED);
	}
}

static char *map_shared(size_t len, int flags, int fd)
{
	char *area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | flags,
			  fd, 0);

	if (area == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	madvise(area, len, MADV_DONTFORK);
	return area;
}

/* Shared, as private ones migrate like any other anonymous memory. */
static void map_hugetlb(struct kind *k)
{
	size_t len = HUGE_PAGES * huge_size();

	huge_base = HUGE_PAGES;
	cu_write_long(HUGETLB, huge_base);
	k->area = map_shared(len, MAP_ANONYMOUS | MAP_HUGETLB, -1);
	k->pages = len / cu_psize;
}

static void map_thp(struct kind *k)
{
	struct demand want;

	if (demand_map(&want, HUGE_PAGES))
		ksft_exit_fail_msg("no memory\n");
	madvise(want.raw, (want.nr + 1) * huge_size(), MADV_DONTFORK);
	k->area = want.area;
	k->pages = want.nr * huge_size() / cu_psize;
}

/* What has been split is made anew, which may take work. */
static void refresh_thp(void)
{
	struct kind *k = &kinds[THP];

	if (huge_there() >= HUGE_PAGES)
		return;
	madvise(k->area, k->pages * cu_psize, MADV_DONTNEED);
	cu_compact();
	fill_area(k, THP);
}

/* What the entry before has swapped in and dropped is made anew. */
static void refresh_kinds(void)
{
	swap_out(&kinds[SWAPPED]);
	fill_file(&kinds[EXT4], EXT4);
	fill_file(&kinds[RAMDISK], RAMDISK);
}

static const char *open_files(void)
{
	const char *why = dev_ext("ext4", "1024", "/dev/ram0", EXT4_DIR);
	char disk[32];

	if (why)
		return why;
	kinds[EXT4].fd = open(EXT4_DIR "/pages",
			      O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	kinds[RAMDISK].fd = open("/dev/ram1", O_RDWR | O_CLOEXEC);
	if (kinds[EXT4].fd < 0 || kinds[RAMDISK].fd < 0 ||
	    ftruncate(kinds[EXT4].fd, KIND_PAGES * cu_psize))
		return "no files on ram disks";
	why = dev_zram(disk, sizeof(disk), ZRAM_MIB);
	return why ? why : dev_swap(disk, ZRAM_MIB);
}

static void map_file(struct kind *k, __u64 id)
{
	k->area = map_shared(k->pages * cu_psize, 0, k->fd);
	fill_file(k, id);
}

/* Before memory is looked at: the ram disks keep what is written to them. */
static void make_files(void)
{
	const char *why = open_files();
	int id;

	if (why)
		ksft_exit_skip("%s\n", why);
	for (id = EXT4; id < NR_KINDS; id++) {
		map_file(&kinds[id], id);
		munmap(kinds[id].area, kinds[id].pages * cu_psize);
	}
}

static void make_areas(void)
{
	int id;

	map_hugetlb(&kinds[HUGE_SHMEM]);
	map_thp(&kinds[THP]);
	kinds[ANON].area = cu_map(KIND_PAGES);
	kinds[SWAPPED].area = cu_map(KIND_PAGES);
	kinds[SHMEM].area = map_shared(KIND_PAGES * cu_psize,
				       MAP_ANONYMOUS, -1);
	for (id = 0; id < EXT4; id++)
		fill_area(&kinds[id], id);
	for (; id < NR_KINDS; id++)
		map_file(&kinds[id], id);
}

#endif /* __COMPACT_MIXTURE_H */
