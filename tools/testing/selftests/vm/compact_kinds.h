/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of pages that compact_contents.c moves: memory of processes, and
 * files. Each is a struct kind, whose functions say how such pages are made,
 * found and read back. All are made anew in each round.
 */
#ifndef __COMPACT_KINDS_H
#define __COMPACT_KINDS_H

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_dev.h"

#define EXT4_DIR	"/tmp/compact_contents.d"
#define KSM		"/sys/kernel/mm/ksm/"
#define CHILDREN	3
/* Pages with the same contents, for KSM to merge into one. */
#define TWINS		4

struct kind {
	const char *name;
	int id;
	/* Returns NULL or why this kernel cannot have such pages. */
	const char *(*setup)(struct kind *k);
	void (*place)(struct kind *k, size_t i);
	/* Before compaction, with all pages in place. */
	void (*settle)(struct kind *k);
	/* Notes where the pages are; which is 0 before and 1 after. */
	void (*locate)(struct kind *k, int which);
	size_t (*bad)(struct kind *k);
	void (*end)(struct kind *k);
	/* Only in rounds where mlocked pages may move (1), may not (0). */
	int unevictable;
	/* The page flags of such pages, for locate_flags(). */
	__u64 flag_mask;
	__u64 flag_want;

	char *area;
	int fd;
	pid_t child[CHILDREN];
	int ask[CHILDREN];
	int answer[CHILDREN];
	struct writing *writing;
	__u64 *pfn[2];
	__u8 *found[2];
	size_t frames;
	const char *skip;
	const char *broken;	/* the first thing wrong but for contents */
	size_t seen;		/* pages whose place is known before and after */
	size_t moved;
	size_t wrong;
	size_t rounds;
};

static struct {
	__u64 seed;
	unsigned long pages;
	unsigned long rounds;
	unsigned long fill;
	unsigned long keep;
	unsigned long moved;
} opt = { .seed = 1, .pages = 2048, .rounds = 3, .fill = 70, .keep = 30,
	  .moved = 30 };

static char *buf;		/* one page, aligned for O_DIRECT */

static void broken(struct kind *k, const char *what)
{
	if (!k->broken)
		k->broken = what;
}

/* A pattern of its own for each kind and round. */
static __u64 seed_of(const struct kind *k)
{
	return opt.seed + k->rounds * 1000003 + k->id * 10007;
}

static char *page_of(const struct kind *k, size_t i)
{
	return k->area + i * cu_psize;
}

/* Memory of the process: what most kinds do. */

static const char *setup_anon(struct kind *k)
{
	k->area = cu_map(opt.pages);
	return k->area ? NULL : "no memory";
}

static void place_mapped(struct kind *k, size_t i)
{
	cu_page_fill(page_of(k, i), seed_of(k), i);
}

static size_t bad_mapped(struct kind *k)
{
	size_t bad = 0, i;

	for (i = 0; i < opt.pages; i++)
		bad += !cu_page_ok(page_of(k, i), seed_of(k), i);
	return bad;
}

static void locate_mapped(struct kind *k, int which)
{
	if (cu_pfns(k->area, opt.pages, k->pfn[which]))
		broken(k, "pagemap cannot be read");
}

static void end_mapped(struct kind *k)
{
	cu_unmap(k->area, opt.pages);
	k->area = NULL;
}

static const char *setup_shmem(struct kind *k)
{
	k->area = mmap(NULL, opt.pages * cu_psize, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->area == MAP_FAILED)
		return "no memory";
	madvise(k->area, opt.pages * cu_psize, MADV_DONTFORK);
	return NULL;
}

static void settle_mlock(struct kind *k)
{
	if (mlock(k->area, opt.pages * cu_psize))
		broken(k, "mlock failed");
}

/* Shared with children after fork: each page has several mappings. */

static const char *setup_cow(struct kind *k)
{
	k->area = cu_map(opt.pages);
	if (!k->area)
		return "no memory";
	madvise(k->area, opt.pages * cu_psize, MADV_DOFORK);
	return NULL;
}

static void cow_child(struct kind *k, int ask, int answer)
{
	size_t bad;
	char c;

	while (read(ask, &c, 1) == 1) {
		bad = bad_mapped(k);
		if (write(answer, &bad, sizeof(bad)) != sizeof(bad))
			break;
	}
	_exit(0);
}

static void settle_cow(struct kind *k)
{
	int ask[2], answer[2], i;

	for (i = 0; i < CHILDREN; i++) {
		if (pipe2(ask, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
			ksft_exit_fail_msg("no pipe\n");
		k->child[i] = fork();
		if (k->child[i] < 0)
			ksft_exit_fail_msg("no child\n");
		if (!k->child[i]) {
			close(ask[1]);
			cow_child(k, ask[0], answer[1]);
		}
		close(ask[0]);
		close(answer[1]);
		k->ask[i] = ask[1];
		k->answer[i] = answer[0];
	}
}

static size_t cow_ask(struct kind *k)
{
	size_t bad = 0, one;
	int i;

	for (i = 0; i < CHILDREN; i++) {
		if (write(k->ask[i], "?", 1) != 1 ||
		    read(k->answer[i], &one, sizeof(one)) != sizeof(one))
			broken(k, "a child died");
		else
			bad += one;
	}
	return bad;
}

/* The children must not see what the parent writes after the move. */
static size_t bad_cow(struct kind *k)
{
	size_t bad = bad_mapped(k) + cow_ask(k), i;

	for (i = 0; i < opt.pages; i++)
		cu_page_fill(page_of(k, i), ~seed_of(k), i);
	bad += cow_ask(k);
	for (i = 0; i < opt.pages; i++)
		bad += !cu_page_ok(page_of(k, i), ~seed_of(k), i);
	return bad;
}

static void end_cow(struct kind *k)
{
	int i;

	for (i = 0; i < CHILDREN; i++) {
		kill(k->child[i], SIGKILL);
		waitpid(k->child[i], NULL, 0);
		close(k->ask[i]);
		close(k->answer[i]);
	}
	end_mapped(k);
}

/*
 * Written all the time, also while the pages are on their way: by a process of
 * its own, as with a thread each page moved would have to interrupt its CPU.
 */

struct writing {
	bool stop;
	size_t turns;
	size_t wrong;
};

static const char *setup_written(struct kind *k)
{
	const char *why = setup_shmem(k);

	k->writing = mmap(NULL, cu_psize, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (why || k->writing == MAP_FAILED)
		return "no memory";
	madvise(k->area, opt.pages * cu_psize, MADV_DOFORK);
	return NULL;
}

static void write_on(struct kind *k)
{
	struct writing *w = k->writing;
	__u64 *word;
	size_t i;

	/* A write that went to the old page is missed in the next turn. */
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < opt.pages; i++) {
			word = (__u64 *)page_of(k, i);
			w->wrong += *word != w->turns;
			*word = w->turns + 1;
		}
		w->turns++;
	}
}

static void settle_written(struct kind *k)
{
	size_t i;

	for (i = 0; i < opt.pages; i++)
		*(__u64 *)page_of(k, i) = 0;
	k->child[0] = fork();
	if (k->child[0] < 0)
		ksft_exit_fail_msg("no child\n");
	if (!k->child[0]) {
		write_on(k);
		_exit(0);
	}
}

/* The writer is not needed any more once compaction has been. */
static void locate_written(struct kind *k, int which)
{
	if (which) {
		__atomic_store_n(&k->writing->stop, true, __ATOMIC_RELAXED);
		waitpid(k->child[0], NULL, 0);
	}
	locate_mapped(k, which);
}

static size_t bad_written(struct kind *k)
{
	size_t bad = k->writing->wrong, i;

	/* Then put back the word that the writer used. */
	for (i = 0; i < opt.pages; i++) {
		bad += *(__u64 *)page_of(k, i) != k->writing->turns;
		*(__u64 *)page_of(k, i) = cu_page_first(seed_of(k), i);
	}
	if (!k->writing->turns)
		broken(k, "nothing was written");
	return bad + bad_mapped(k);
}

static void end_written(struct kind *k)
{
	munmap(k->writing, cu_psize);
	end_mapped(k);
}

/* Files: on ext4 and on tmpfs, mapped or not. */

static const char *open_file(struct kind *k, const char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/pages.XXXXXX", dir);
	k->fd = mkostemp(path, O_CLOEXEC);
	if (k->fd < 0)
		return "no file";
	unlink(path);
	if (ftruncate(k->fd, opt.pages * cu_psize))
		return "no room for a file";
	return NULL;
}

static const char *setup_ext4(struct kind *k)
{
	static const char *why = "";

	/* Both kinds of file are on one file system, made once. */
	if (why && !*why)
		why = dev_ext("ext4", "1024", "/dev/ram0", EXT4_DIR);
	return why ? why : open_file(k, EXT4_DIR);
}

static const char *setup_tmpfs(struct kind *k)
{
	struct statfs fs;

	if (statfs("/tmp", &fs) || fs.f_type != TMPFS_MAGIC)
		return "/tmp is not a tmpfs";
	return open_file(k, "/tmp");
}

static void map_file(struct kind *k)
{
	k->area = mmap(NULL, opt.pages * cu_psize, PROT_READ | PROT_WRITE,
		       MAP_SHARED, k->fd, 0);
	if (k->area == MAP_FAILED)
		ksft_exit_fail_msg("cannot map a file\n");
	madvise(k->area, opt.pages * cu_psize, MADV_DONTFORK);
}

static const char *setup_ext4_mapped(struct kind *k)
{
	const char *why = setup_ext4(k);

	if (!why)
		map_file(k);
	return why;
}

static void settle_file(struct kind *k)
{
	if (fsync(k->fd))
		broken(k, "fsync failed");
}

static void place_file(struct kind *k, size_t i)
{
	cu_page_fill(buf, seed_of(k), i);
	if (pwrite(k->fd, buf, cu_psize, i * cu_psize) != (ssize_t)cu_psize)
		broken(k, "write failed");
}

/*
 * Maps the file for as long as it takes to ask where its pages are. A page
 * that is not in the cache any more would come from the disk: no proof.
 */
static void locate_file(struct kind *k, int which)
{
	unsigned char *in_cache = malloc(opt.pages);
	size_t i;

	map_file(k);
	if (!in_cache || mincore(k->area, opt.pages * cu_psize, in_cache))
		broken(k, "mincore failed");
	for (i = 0; in_cache && i < opt.pages; i++) {
		if (!(in_cache[i] & 1))
			broken(k, "pages left the page cache");
		memcpy(buf, page_of(k, i), sizeof(size_t));
	}
	locate_mapped(k, which);
	end_mapped(k);
	free(in_cache);
}

static size_t bad_file(struct kind *k)
{
	size_t bad = 0, i;

	for (i = 0; i < opt.pages; i++)
		bad += pread(k->fd, buf, cu_psize, i * cu_psize) !=
		       (ssize_t)cu_psize || !cu_page_ok(buf, seed_of(k), i);
	return bad;
}

static void end_file(struct kind *k)
{
	if (k->area)
		end_mapped(k);
	close(k->fd);
}

/* KSM: pages with the same contents are merged into one. */

static const char *setup_ksm(struct kind *k)
{
	if (access(KSM "run", W_OK))
		return "no KSM";
	return setup_anon(k);
}

static void place_ksm(struct kind *k, size_t i)
{
	cu_page_fill(page_of(k, i), seed_of(k), i / TWINS);
}

static void settle_ksm(struct kind *k)
{
	long want = opt.pages / TWINS * (TWINS - 1) * 95 / 100;
	long end = cu_now_ms() + 60000;

	madvise(k->area, opt.pages * cu_psize, MADV_MERGEABLE);
	cu_write_long(KSM "pages_to_scan", 10000);
	cu_write_long(KSM "sleep_millisecs", 2);
	cu_write_long(KSM "run", 1);
	while (cu_read_long(KSM "pages_sharing") < want && cu_now_ms() < end)
		cu_sleep_ms(20);
	/* Keeps what is merged, so that the count is still when it is read. */
	cu_write_long(KSM "run", 0);
	if (cu_read_long(KSM "pages_sharing") < want)
		broken(k, "ksmd did not merge the pages");
}

/* Twins have to be at one place, before and after. */
static void locate_ksm(struct kind *k, int which)
{
	static long sharing;
	size_t apart = 0, i;

	if (!which)
		sharing = cu_read_long(KSM "pages_sharing");
	else if (cu_read_long(KSM "pages_sharing") != sharing)
		broken(k, "pages_sharing changed");
	locate_mapped(k, which);
	for (i = 0; i < opt.pages; i++)
		apart += k->pfn[which][i] != k->pfn[which][i / TWINS * TWINS];
	if (apart > opt.pages / 10)
		broken(k, "pages are not merged");
}

static size_t bad_ksm(struct kind *k)
{
	size_t bad = 0, i;

	for (i = 0; i < opt.pages; i++)
		bad += !cu_page_ok(page_of(k, i), seed_of(k), i / TWINS);
	return bad;
}

static void end_ksm(struct kind *k)
{
	end_mapped(k);
	/* ksmd would only later see that the pages are gone, this does now. */
	cu_write_long(KSM "run", 2);
	cu_write_long(KSM "run", 0);
}

#endif /* __COMPACT_KINDS_H */
