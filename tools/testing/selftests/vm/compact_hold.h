/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of several kinds, and those who hold pages of it so that they must not
 * move: each for as long as the test wants, and through each data goes in the end
 * that shows whether it still holds what the process has.
 */
#ifndef __COMPACT_HOLD_H
#define __COMPACT_HOLD_H

#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_scene.h"
#include "compact_pin.h"

#define GUP_TEST	"/sys/kernel/debug/gup_test"
/* Not one of those in compact_mixture.h, which can be there at the same time. */
#define RAM_DISK	"/dev/ram2"

#define NOT_REGISTERED	"the buffer cannot be registered"
#define SMALL		24	/* pages of a spot that is not huge */
#define HELD		3	/* pages that are held, the last of a spot */

/* What gup_test takes, see mm/gup_test.h: no header of it is installed. */
struct gup_test {
	__u64 get_usec;
	__u64 put_usec;
	__u64 addr;
	__u64 size;
	__u32 pages_per_call;
	__u32 gup_flags;
	__u32 test_flags;
	__u32 which_pages[8];
};

#define GUP_GET		_IOWR('g', 1, struct gup_test)
#define GUP_PIN		_IOWR('g', 2, struct gup_test)
#define GUP_WRITE	0x01
#define GUP_FORCE	0x10

/* For the contents of all pages. */
static __u64 hold_seed;
/* How long it may take until somebody waits for a page, or has read something. */
static long late_ms = 8000;

/* Memory of one kind. The page that follows may come late. */

enum { PRIVATE, SHARED, HUGE, NR_KINDS };

struct spot {
	int kind;
	char *raw;
	char *area;
	size_t pages;
	__u64 id;
	__u64 *was;	/* the frames of all pages */
};

static __u64 index_of(const struct spot *spot, unsigned int version, size_t i)
{
	return (__u64)version << 32 | spot->id << 10 | i;
}

static char *page_of(const struct spot *spot, size_t i)
{
	return spot->area + i * cu_psize;
}

static char *held_part(const struct spot *spot)
{
	return page_of(spot, spot->pages - HELD);
}

/* Of a huge page the last ones count: as many as of another spot. */
static void spot_fill(const struct spot *spot, unsigned int version)
{
	size_t i;

	for (i = spot->pages - SMALL; i < spot->pages; i++)
		cu_page_fill(page_of(spot, i), hold_seed,
			     index_of(spot, version, i));
}

/* How many of the pages that are held, or of the others, are not that version? */
static size_t spot_wrong(const struct spot *spot, bool held,
			 unsigned int version)
{
	size_t from = spot->pages - (held ? HELD : SMALL), wrong = 0;
	size_t to = spot->pages - (held ? 0 : HELD);

	for (; from < to; from++)
		wrong += !cu_page_ok(page_of(spot, from), hold_seed,
				     index_of(spot, version, from));
	return wrong;
}

/* A page that is on its way, or unmapped, is where it is when it has been used. */
static __u64 frame_at(const char *page)
{
	__u64 pfn = 0;
	int try;

	for (try = 0; try < 50 && !cu_pfns(page, 1, &pfn) && !pfn; try++) {
		if (try)
			cu_sleep_ms(1);
		__atomic_load_n(page, __ATOMIC_RELAXED);
	}
	return pfn;
}

static void spot_look(const struct spot *spot)
{
	size_t i;

	if (cu_pfns(spot->area, spot->pages, spot->was))
		memset(spot->was, 0, spot->pages * sizeof(*spot->was));
	for (i = 0; i < spot->pages; i++)
		if (!spot->was[i])
			spot->was[i] = frame_at(page_of(spot, i));
}

/* Of the last pages, how many have left their frames? */
static size_t spot_moved(const struct spot *spot, size_t pages)
{
	size_t moved = 0, i;

	for (i = spot->pages - pages; i < spot->pages; i++)
		moved += frame_at(page_of(spot, i)) != spot->was[i];
	return moved;
}

static __u64 next_id;

static int spot_alloc(struct spot *spot, int kind, char *area)
{
	spot->kind = kind;
	spot->area = area;
	spot->pages = kind == HUGE ? huge_size() / cu_psize : SMALL;
	spot->id = next_id++;
	spot->was = calloc(spot->pages, sizeof(*spot->was));
	return spot->was ? 0 : -ENOMEM;
}

/* NUMA balancing looks after memory that may be on both nodes. */
static int balance(void *area, size_t len)
{
	unsigned long both = 3;

	return syscall(SYS_mbind, area, len,
		       MPOL_BIND | MPOL_F_NUMA_BALANCING, &both,
		       8 * sizeof(both), 0);
}

static int spot_map(struct spot *spot)
{
	int flags = MAP_ANONYMOUS | MAP_FIXED |
		    (spot->kind == SHARED ? MAP_SHARED : MAP_PRIVATE);
	size_t len = spot->pages * cu_psize;

	if (mmap(spot->area, len, PROT_READ | PROT_WRITE, flags, -1, 0) !=
	    spot->area)
		return -errno;
	madvise(spot->area, len,
		spot->kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return balance(spot->area, len);
}

/* Ends where a huge page ends, so that another mapping can follow at once. */
static int spot_make(struct spot *spot, int kind)
{
	size_t huge = huge_size(), len;
	char *raw = mmap(NULL, 3 * huge, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *end = (char *)(((uintptr_t)raw + 2 * huge) & -huge);

	if (raw == MAP_FAILED)
		return -errno;
	len = kind == HUGE ? huge : SMALL * cu_psize;
	spot->raw = raw;
	if (spot_alloc(spot, kind, end - len))
		return -ENOMEM;
	if (spot_map(spot))
		return -EINVAL;
	spot_fill(spot, 1);
	spot_look(spot);
	return 0;
}

static void spot_end(struct spot *spot)
{
	if (spot->raw)
		munmap(spot->raw, 3 * huge_size());
	free(spot->was);
	memset(spot, 0, sizeof(*spot));
}

/* Those who hold pages. */

struct hold;

struct hold_type {
	const char *name;
	const char *needs;	/* a file without which there is none */
	/* Returns NULL, or what went wrong. */
	const char *(*begin)(struct hold *hold);
	/* Returns how many pages were not seen as they are. */
	size_t (*end)(struct hold *hold);
	/* Waits for a page that comes late, and returns what end() expects. */
	long (*wait)(struct hold *hold);
	bool writes;	/* version 3 into the pages, when it ends */
};

struct hold {
	const struct hold_type *type;
	struct spot *spot;
	unsigned long cmd;	/* of gup_test */
	unsigned int flags;
	pthread_t thread;
	char *late;
	size_t late_pages;
	struct ring ring;
	int fd[2];
	long got;
	bool on;
};

/* Of this process alone. */
static int late_fd = -1, gup_fd = -1, disk_fd = -1;
static char *draft;	/* as many pages as are held, and one more */

static void draft_fill(const struct spot *spot)
{
	size_t i;

	for (i = 0; i < HELD; i++)
		cu_page_fill(draft + i * cu_psize, hold_seed,
			     index_of(spot, 3, spot->pages - HELD + i));
}

static const char *pipe_begin(struct hold *hold)
{
	struct iovec iov = { held_part(hold->spot), HELD * cu_psize };

	if (pipe(hold->fd))
		return "no pipe";
	if (vmsplice(hold->fd[1], &iov, 1, SPLICE_F_NONBLOCK) !=
	    (ssize_t)iov.iov_len)
		return "vmsplice fails";
	return NULL;
}

/* What the process has written since has to be in the pipe. */
static size_t pipe_end(struct hold *hold)
{
	size_t wrong = 0, first = hold->spot->pages - HELD, i;

	memset(draft, 0, HELD * cu_psize);
	if (read(hold->fd[0], draft, HELD * cu_psize) !=
	    (ssize_t)(HELD * cu_psize))
		wrong++;
	for (i = 0; i < HELD; i++)
		wrong += !cu_page_ok(draft + i * cu_psize, hold_seed,
				     index_of(hold->spot, 2, first + i));
	close(hold->fd[0]);
	close(hold->fd[1]);
	return wrong;
}

static const char *fixed_begin(struct hold *hold)
{
	hold->fd[0] = syscall(SYS_memfd_create, "compact_pinned", 1U);
	if (hold->fd[0] < 0)
		return "no memfd";
	if (ring_open(&hold->ring, 4)) {
		close(hold->fd[0]);
		return "no ring";
	}
	if (ring_register(&hold->ring, held_part(hold->spot), HELD * cu_psize)) {
		ring_close(&hold->ring);
		close(hold->fd[0]);
		return NOT_REGISTERED;
	}
	return NULL;
}

static size_t fixed_end(struct hold *hold)
{
	size_t len = HELD * cu_psize, wrong = 0;

	draft_fill(hold->spot);
	wrong += pwrite(hold->fd[0], draft, len, 0) != (ssize_t)len;
	wrong += !!ring_read(&hold->ring, hold->fd[0], held_part(hold->spot),
			     len, 0);
	wrong += ring_wait(&hold->ring, 1, len, late_ms);
	ring_close(&hold->ring);
	close(hold->fd[0]);
	return wrong;
}

/* Those that wait inside the kernel, with the pages in hand. */

static void *waiter(void *arg)
{
	struct hold *hold = arg;

	hold->got = hold->type->wait(hold);
	return NULL;
}

static const char *late_begin(struct hold *hold, char *late, size_t pages)
{
	hold->late = late;
	hold->late_pages = pages;
	if (late_pages(late_fd, late, pages))
		return "no userfaultfd";
	if (pthread_create(&hold->thread, NULL, waiter, hold))
		return "no thread";
	return late_wanted(late_fd, late, late_ms) ? "nobody waits" : NULL;
}

static size_t late_end(struct hold *hold, long expected)
{
	size_t wrong;

	draft_fill(hold->spot);
	wrong = !!late_give(late_fd, hold->late, draft, hold->late_pages);
	pthread_join(hold->thread, NULL);
	munmap(hold->late, hold->late_pages * cu_psize);
	return wrong + (hold->got != expected);
}

static long gup_wait(struct hold *hold)
{
	struct gup_test gup = {
		.addr = (uintptr_t)held_part(hold->spot),
		.size = (HELD + 1) * cu_psize,
		.pages_per_call = HELD + 1,
		.gup_flags = hold->flags,
	};

	if (ioctl(gup_fd, hold->cmd, &gup))
		return -errno;
	return gup.size;
}

static const char *gup_begin(struct hold *hold)
{
	if (!hold->cmd) {
		hold->cmd = hold->spot->id % 2 ? GUP_PIN : GUP_GET;
		hold->flags = GUP_WRITE;
	}
	return late_begin(hold, page_of(hold->spot, hold->spot->pages), 1);
}

static size_t gup_end(struct hold *hold)
{
	return late_end(hold, (HELD + 1) * cu_psize);
}

static long write_wait(struct hold *hold)
{
	struct iovec from = { hold->late, HELD * cu_psize };
	struct iovec to = { held_part(hold->spot), HELD * cu_psize };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

static const char *write_begin(struct hold *hold)
{
	char *late = cu_map(HELD);

	return late ? late_begin(hold, late, HELD) : "no memory";
}

static size_t write_end(struct hold *hold)
{
	return late_end(hold, HELD * cu_psize);
}

static off_t place_on_disk(const struct spot *spot)
{
	return (spot->id % 256) * (HELD + 1) * cu_psize;
}

static long direct_wait(struct hold *hold)
{
	return pread(disk_fd, held_part(hold->spot), (HELD + 1) * cu_psize,
		     place_on_disk(hold->spot));
}

static const char *direct_begin(struct hold *hold)
{
	size_t len = (HELD + 1) * cu_psize;

	draft_fill(hold->spot);
	if (pwrite(disk_fd, draft, len, place_on_disk(hold->spot)) !=
	    (ssize_t)len)
		return "the ram disk cannot be written";
	return late_begin(hold, page_of(hold->spot, hold->spot->pages), 1);
}

static size_t direct_end(struct hold *hold)
{
	return late_end(hold, (HELD + 1) * cu_psize);
}

static const struct hold_type hold_types[] = {
	{ .name = "nobody" },
	{ .name = "a pipe", .begin = pipe_begin, .end = pipe_end },
	{ .name = "a fixed buffer", .begin = fixed_begin, .end = fixed_end,
	  .writes = true },
	{ .name = "gup_test", .needs = GUP_TEST, .begin = gup_begin,
	  .end = gup_end, .wait = gup_wait },
	{ .name = "a write", .begin = write_begin, .end = write_end,
	  .wait = write_wait, .writes = true },
	{ .name = "a direct read", .needs = RAM_DISK, .begin = direct_begin,
	  .end = direct_end, .wait = direct_wait, .writes = true },
};

#define NR_TYPES	ARRAY_SIZE(hold_types)
#define GUP_TYPE	3

static const char *hold_begin(struct hold *hold)
{
	const char *why = NULL;

	if (hold->type->begin)
		why = hold->type->begin(hold);
	hold->on = !why;
	return why;
}

static size_t hold_end(struct hold *hold)
{
	size_t wrong = 0;

	if (hold->on && hold->type->end)
		wrong = hold->type->end(hold);
	hold->on = false;
	return wrong;
}

static bool type_there(const struct hold_type *type)
{
	return !type->needs || !access(type->needs, R_OK | W_OK);
}

static const char *holds_prepare(void)
{
	late_fd = late_open();
	gup_fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	disk_fd = open(RAM_DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	draft = mmap(NULL, (HELD + 1) * cu_psize, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return late_fd < 0 || draft == MAP_FAILED ? "no userfaultfd" : NULL;
}

#endif /* __COMPACT_HOLD_H */
