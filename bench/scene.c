// SPDX-License-Identifier: GPL-2.0
/*
 * The scenes: memory that is nearly full of small pages with holes between them.
 *
 * What differs is which pages are kept. That goes by where they lie in physical
 * memory, which the page map tells, so that a pageblock can be given the occupancy
 * that it is to have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "../kselftest.h"
#include "compact_dev.h"

/* Left alone by the filling, whatever was asked: room for the kernel. */
#define RESERVE_MIB	24
/* Pages that a pipe can hold, by its default limit for root. */
#define PIPE_PAGES	256
#define DISK		"/dev/ram0"
#define FILES		"/tmp/bench.d"

/* Asked for with every page, and the answer is read from a file. */
static unsigned long block_pages(void)
{
	static unsigned long pages;

	if (!pages)
		pages = 1UL << cu_huge_order();
	return pages;
}

/* The same for every page of a block, and for each seed another one. */
static unsigned int block_dice(const struct scene *scene, __u64 pfn,
			       unsigned int sides)
{
	struct cu_rng rng;

	cu_rng_seed(&rng, scene->seed * 1000003 + pfn / block_pages());
	return (cu_rand(&rng) >> 32) % sides;
}

static void fill(struct scene *scene)
{
	unsigned long reserve = (RESERVE_MIB << 20) / cu_psize;
	unsigned long avail = cu_meminfo("MemAvailable");

	scene->pages = cu_meminfo("MemTotal") * scene->fill / 100;
	if (scene->pages + reserve > avail)
		scene->pages = avail > reserve ? avail - reserve : 0;
	scene->area = scene->pages ? cu_map(scene->pages) : NULL;
	scene->pfn = calloc(scene->pages, sizeof(*scene->pfn));
	scene->kept = calloc(1, scene->pages / 8 + 1);
	if (!scene->area || !scene->pfn || !scene->kept)
		die("cannot map the memory that is to be filled");
	/* one call for all: an emulated CPU takes its time over page faults */
	if (madvise(scene->area, scene->pages * cu_psize, MADV_POPULATE_WRITE))
		die("not so much memory can be had");
	if (cu_pfns(scene->area, scene->pages, scene->pfn))
		die("cannot read the page map");
}

/* Gives back what is not kept, neighbours in one call. */
static void give_back(struct scene *scene)
{
	size_t run = 0, i;

	for (i = 0; i <= scene->pages; i++) {
		if (i < scene->pages && !cu_bit(scene->kept, i)) {
			run++;
			continue;
		}
		if (run)
			madvise(scene->area + (i - run) * cu_psize,
				run * cu_psize, MADV_DONTNEED);
		run = 0;
	}
}

typedef unsigned int (*keep_t)(const struct scene *scene, __u64 pfn);

static void keep_some(struct scene *scene, keep_t percent)
{
	size_t i;

	fill(scene);
	for (i = 0; i < scene->pages; i++)
		cu_set_bit(scene->kept, i,
			   cu_chance(&scene->rng,
				     percent(scene, scene->pfn[i])));
	give_back(scene);
}

static unsigned int by_param(const struct scene *scene, __u64 pfn)
{
	(void)pfn;
	return atoi(scene->param);
}

static void uniform(struct scene *scene)
{
	keep_some(scene, by_param);
}

/* Of a hundred blocks so many are of a kind, and so much of each is kept. */
struct mixture {
	const char *name;
	struct {
		unsigned int blocks;
		unsigned int keep;
	} kind[3];
};

static const struct mixture mixtures[] = {
	{ "classes", { { 30, 10 }, { 20, 50 }, { 50, 90 } } },
	{ "few-empty", { { 10, 5 }, { 10, 50 }, { 80, 80 } } },
	{ "halves", { { 50, 20 }, { 0, 0 }, { 50, 80 } } },
};

static unsigned int by_mixture(const struct scene *scene, __u64 pfn)
{
	unsigned int dice = block_dice(scene, pfn, 100), i;
	const struct mixture *m = mixtures;

	for (i = 0; i < ARRAY_SIZE(mixtures); i++)
		if (!strcmp(mixtures[i].name, scene->param))
			m = &mixtures[i];
	for (i = 0; i < 2 && dice >= m->kind[i].blocks; i++)
		dice -= m->kind[i].blocks;
	return m->kind[i].keep;
}

static void uneven(struct scene *scene)
{
	keep_some(scene, by_mixture);
}

/* A page that a pipe refers to cannot move until it is read from there. */
static void hold_page(struct scene *scene, size_t page)
{
	static int end[2], used = PIPE_PAGES;
	struct iovec iov = {
		.iov_base = scene->area + page * cu_psize,
		.iov_len = cu_psize,
	};

	if (used == PIPE_PAGES) {
		if (pipe(end) ||
		    fcntl(end[1], F_SETPIPE_SZ, PIPE_PAGES * cu_psize) < 0)
			die("no pipe");
		used = 0;
	}
	if (vmsplice(end[1], &iov, 1, 0) != (ssize_t)cu_psize)
		die("cannot pin a page");
	used++;
	cu_set_bit(scene->pinned, scene->pfn[page], true);
}

/* In so many of a thousand blocks one page, of those that are kept. */
static void pin_blocks(struct scene *scene, keep_t permille)
{
	size_t i;
	__u8 *done;

	for (i = 0; i < scene->pages; i++)
		if (scene->pfn[i] >= scene->frames)
			scene->frames = scene->pfn[i] + 1;
	scene->pinned = calloc(1, scene->frames / 8 + 1);
	done = calloc(1, scene->frames / block_pages() / 8 + 1);
	if (!scene->pinned || !done)
		die("no memory");
	for (i = 0; i < scene->pages; i++) {
		__u64 block = scene->pfn[i] / block_pages();

		if (!cu_bit(scene->kept, i) || cu_bit(done, block))
			continue;
		cu_set_bit(done, block, true);
		if (block_dice(scene, scene->pfn[i] ^ 1ULL << 40, 1000) <
		    permille(scene, scene->pfn[i]))
			hold_page(scene, i);
	}
	free(done);
}

static unsigned int half(const struct scene *scene, __u64 pfn)
{
	(void)scene;
	(void)pfn;
	return 50;
}

/* So many of a thousand pageblocks hold a page that is pinned. */
static void sprinkled(struct scene *scene)
{
	keep_some(scene, half);
	pin_blocks(scene, by_param);
}

static unsigned int all(const struct scene *scene, __u64 pfn)
{
	(void)scene;
	(void)pfn;
	return 1000;
}

/* Every block does, so that no huge page can be made. */
static void hopeless(struct scene *scene)
{
	keep_some(scene, half);
	pin_blocks(scene, all);
}

static bool is_spoiled(const struct scene *scene, __u64 pfn)
{
	return block_dice(scene, pfn, 100) < (unsigned int)atoi(scene->param);
}

static unsigned int half_or_all(const struct scene *scene, __u64 pfn)
{
	return is_spoiled(scene, pfn) ? 50 : 100;
}

static unsigned int where_spoiled(const struct scene *scene, __u64 pfn)
{
	return is_spoiled(scene, pfn) ? 1000 : 0;
}

/*
 * All the room that there is lies in blocks that hold a page which is pinned, so many
 * of a hundred. To make a huge page is to empty a block that is full.
 */
static void walled(struct scene *scene)
{
	keep_some(scene, half_or_all);
	pin_blocks(scene, where_spoiled);
}

static int open_holes(size_t len)
{
	int fd;

	if (dev_ext("ext4", "1024", DISK, FILES))
		die("no file system");
	fd = open(FILES "/file", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, len))
		die("no file");
	return fd;
}

/*
 * A file of holes is as good as any for the page cache: to read it fills pages and
 * needs no disk of its size. Pages of it are dropped one by one by punching holes,
 * and of a hundred that stay so many are written.
 */
static void cache_holes(struct scene *scene)
{
	unsigned int dirty = atoi(scene->param);
	size_t len, sum = 0, i;
	char *map;
	int fd;

	scene->pages = cu_meminfo("MemTotal") * scene->fill / 100;
	len = scene->pages * cu_psize;
	fd = open_holes(len);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("cannot map the file");
	for (i = 0; i < scene->pages; i++)
		sum += map[i * cu_psize];
	if (sum)
		die("a hole is not empty");
	for (i = 0; i < scene->pages; i++) {
		if (cu_chance(&scene->rng, 50))
			fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  i * cu_psize, cu_psize);
		else if (cu_chance(&scene->rng, dirty))
			cu_touch(map + i * cu_psize, i);
	}
}

/* One life: takes memory of its own, reads files, makes files and pipes, ends. */
static void short_life(struct scene *scene, unsigned int nr)
{
	size_t pages = 64 + cu_rand(&scene->rng) % 4096, i;
	char path[64], text[4096];
	char *area = cu_map(pages);
	int end[2], fd;

	for (i = 0; area && i < pages; i++)
		cu_touch(area + i * cu_psize, i);
	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/tmp/life%u-%zu", nr % 64, i);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		memset(text, nr, sizeof(text));
		if (write(fd, text, cu_rand(&scene->rng) % sizeof(text)) < 0)
			break;
		close(fd);
		if (cu_chance(&scene->rng, 50))
			unlink(path);
		if (!pipe(end) && write(end[1], text, sizeof(text)) < 0)
			break;
	}
	_exit(0);
}

/*
 * Grows a few pages at a time while others do, so that their pages lie side by side,
 * gives some back, and keeps the others until it is killed.
 */
static void long_life(struct scene *scene)
{
	size_t pages = cu_meminfo("MemTotal") / 60, i;
	char *area = cu_map(pages);

	for (i = 0; area && i < pages; i++) {
		cu_touch(area + i * cu_psize, i);
		if (i % 16 == 15)
			cu_sleep_ms(1);
	}
	if (area)
		cu_free_random(area, pages, 60 + cu_rand(&scene->rng) % 40,
			       &scene->rng, NULL);
	for (;;)
		pause();
}

/* Somebody reads here and there, so that all memory is in use. */
static void read_some(struct scene *scene, int fd, size_t len)
{
	static char text[16 << 10];
	int i;

	for (i = 0; i < 100; i++)
		if (pread(fd, text, sizeof(text),
			  cu_rand(&scene->rng) % (len / sizeof(text)) *
			  sizeof(text)) < 0)
			die("cannot read");
}

/*
 * So many lives, one in eight of them long; of those any may be the next to end.
 * Between them the page cache grows into all that is left.
 */
static void churn(struct scene *scene)
{
	size_t len = cu_meminfo("MemTotal") * cu_psize * 2;
	unsigned int lives = atoi(scene->param), i, slot;
	pid_t lasting[48] = { 0 }, pid;
	int fd = open_holes(len);

	for (i = 0; i < lives; i++) {
		bool lasts = i % 8 == 0;

		read_some(scene, fd, len);
		slot = cu_rand(&scene->rng) % ARRAY_SIZE(lasting);
		if (i / 8 < ARRAY_SIZE(lasting))
			slot = i / 8;
		if (lasts && lasting[slot]) {
			kill(lasting[slot], SIGKILL);
			waitpid(lasting[slot], NULL, 0);
		}
		pid = fork();
		if (!pid) {
			if (lasts)
				long_life(scene);
			short_life(scene, i);
		}
		if (lasts) {
			lasting[slot] = pid;
			cu_sleep_ms(50);
		} else {
			waitpid(pid, NULL, 0);
		}
	}
}

/* Nothing has happened yet. */
static void fresh(struct scene *scene)
{
	(void)scene;
}

const struct scene_kind scene_kinds[] = {
	{ "uniform", uniform },
	{ "uneven", uneven },
	{ "sprinkled", sprinkled },
	{ "walled", walled },
	{ "holes", cache_holes },
	{ "churn", churn },
	{ "hopeless", hopeless },
	{ "fresh", fresh },
	{ }
};
