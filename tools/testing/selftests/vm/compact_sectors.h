/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers that slow disks read into while their process writes to the sectors in
 * between, each of which tells what it is.
 *
 * Of two disks, one is read itself. The pages of the buffer are pinned then. On the
 * other there is ext2, of which a file is read. Then they are got, by
 * get_user_pages(): they may be unmapped, and no fork may come between.
 */
#ifndef __COMPACT_SECTORS_H
#define __COMPACT_SECTORS_H

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"
#include "compact_dev.h"
#include "compact_scene.h"
#include "compact_pin.h"

#define SECTOR		512
#define PAGES		4
#define SECTORS		((unsigned int)(PAGES * cu_psize / SECTOR))
#define DISK_MIB	2
#define DISK_SECTORS	64	/* with data, in the beginning; then, junk */
#define JUNK_OFFSET	(DISK_SECTORS * SECTOR)
#define IO_MS		10000

/* All of a file is in its 12 direct blocks, so it takes no other to find them. */
#define FILE_BLOCK	"4096"
#define FILE_DIR	"/tmp/compact_slow.d"

static __u64 slow_seed;
static struct cu_rng rng;

enum { PINNING, GETTING, NR_DISKS };

static const char * const disk_name[NR_DISKS] = {
	[PINNING] = "compact_pins",
	[GETTING] = "compact_gets",
};

/* The same twice in a kernel that has no ext2. */
static int disk[NR_DISKS];

static aio_context_t aio;
static char *junk;

enum { OLD = 1, READ, MINE, THEIRS };

static __u64 tag_of(int what, unsigned int version, unsigned int nr)
{
	return (__u64)what << 48 | (__u64)version << 16 | nr;
}

static void sector_fill(char *at, __u64 tag)
{
	__u64 key = cu_page_first(slow_seed, tag), *word = (__u64 *)at;
	size_t i;

	for (i = 0; i < SECTOR / sizeof(*word); i++)
		word[i] = key + i;
}

static bool sector_ok(const char *at, __u64 tag)
{
	__u64 key = cu_page_first(slow_seed, tag);
	const __u64 *word = (const __u64 *)at;
	size_t i;

	for (i = 0; i < SECTOR / sizeof(*word); i++)
		if (word[i] != key + i)
			return false;
	return true;
}

/* Buffers: even sectors are read into, odd ones are the process's own. */

struct buffer {
	char *raw;
	size_t raw_len;
	char *area;
	unsigned int version;
	unsigned int from[64];	/* where on the disk each sector comes from */
	unsigned int pending;
	struct ring *ring;	/* with which it is read, or AIO */
	int disk;
};

static char *sector_of(const struct buffer *buf, unsigned int i)
{
	return buf->area + (size_t)i * SECTOR;
}

static void buffer_write(struct buffer *buf, int what)
{
	unsigned int i;

	buf->version++;
	for (i = 1; i < SECTORS; i += 2)
		sector_fill(sector_of(buf, i), tag_of(what, buf->version, i));
}

static unsigned int buffer_wrong(const struct buffer *buf, int what)
{
	unsigned int wrong = 0, i;

	for (i = 1; i < SECTORS; i += 2)
		wrong += !sector_ok(sector_of(buf, i),
				    tag_of(what, buf->version, i));
	return wrong;
}

static unsigned int buffer_not_read(const struct buffer *buf)
{
	unsigned int wrong = 0, i;

	for (i = 0; i < SECTORS; i += 2)
		wrong += !sector_ok(sector_of(buf, i),
				    tag_of(READ, 0, buf->from[i]));
	return wrong;
}

static unsigned int buffer_not_old(const struct buffer *buf)
{
	unsigned int wrong = 0, i;

	for (i = 0; i < SECTORS; i += 2)
		wrong += !sector_ok(sector_of(buf, i), tag_of(OLD, 0, i));
	return wrong;
}

/* Some pages, or some in the middle of a huge one, on a node. */
static int buffer_make(struct buffer *buf, int node, bool huge)
{
	unsigned long mask = 1UL << node;
	size_t size = huge_size();
	unsigned int i;

	memset(buf, 0, sizeof(*buf));
	buf->disk = disk[cu_rand(&rng) % NR_DISKS];
	buf->raw_len = 2 * size;
	buf->raw = mmap(NULL, buf->raw_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buf->raw == MAP_FAILED)
		return -errno;
	madvise(buf->raw, buf->raw_len,
		huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (syscall(SYS_mbind, buf->raw, buf->raw_len, MPOL_BIND, &mask,
		    8 * sizeof(mask), 0))
		return -errno;
	/* Children have it if they are to: most are not about forks. */
	madvise(buf->raw, buf->raw_len, MADV_DONTFORK);
	buf->area = (char *)(((uintptr_t)buf->raw + size - 1) & -size) +
		    size / 2;
	for (i = 0; i < SECTORS; i += 2)
		sector_fill(sector_of(buf, i), tag_of(OLD, 0, i));
	buffer_write(buf, MINE);
	return 0;
}

static void buffer_end(struct buffer *buf)
{
	munmap(buf->raw, buf->raw_len);
}

/* Of what is in front of them in the queue, reads take their time. */
static const char *reads_begin(struct buffer *buf, unsigned int ms)
{
	unsigned int nr_junk = ms / SLOW_MS, i;
	int err = 0;

	for (i = 0; i < nr_junk && !err; i++)
		err = aio_read(aio, buf->disk, junk, SLOW_REQUEST, JUNK_OFFSET);
	buf->pending = i;
	for (i = 0; i < SECTORS && !err; i += 2) {
		off_t at;

		buf->from[i] = cu_rand(&rng) % DISK_SECTORS;
		at = (off_t)buf->from[i] * SECTOR;
		if (buf->ring)
			err = ring_read(buf->ring, buf->disk, sector_of(buf, i),
					SECTOR, at);
		else
			err = aio_read(aio, buf->disk, sector_of(buf, i), SECTOR,
				       at);
	}
	if (!buf->ring)
		buf->pending += SECTORS / 2;
	return err ? "a read cannot be begun" : NULL;
}

static const char *reads_end(struct buffer *buf)
{
	if (aio_wait(aio, buf->pending, IO_MS) ||
	    (buf->ring && ring_wait(buf->ring, SECTORS / 2, SECTOR, IO_MS)))
		return "a read does not end, or fails";
	return NULL;
}

static const char *disk_fill(int fd)
{
	char *data = mmap(NULL, SLOW_REQUEST, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, err = data == MAP_FAILED;

	for (i = 0; i < DISK_SECTORS && !err; i++) {
		sector_fill(data, tag_of(READ, 0, i));
		err = pwrite(fd, data, SECTOR, (off_t)i * SECTOR) != SECTOR;
	}
	err = err || pwrite(fd, data, SLOW_REQUEST, JUNK_OFFSET) != SLOW_REQUEST ||
	      fsync(fd);
	munmap(data, SLOW_REQUEST);
	return err ? "a disk cannot be written" : NULL;
}

/* What is called ext2 can be ext4, which pins. */
static const char *file_system(const char *name, const char *path)
{
	char ext4[64];

	snprintf(ext4, sizeof(ext4), "/sys/fs/ext4/%s", name);
	return dev_ext("ext2", FILE_BLOCK, path, FILE_DIR) ?:
	       !access(ext4, F_OK) ? "ext2 is ext4 here" : NULL;
}

static const char *disk_open(int which)
{
	const char *why = NULL;
	char path[64];

	if (slow_make(disk_name[which], DISK_MIB))
		return "no disk of null_blk";
	snprintf(path, sizeof(path), "/dev/%s", disk_name[which]);
	if (which == GETTING) {
		why = file_system(disk_name[which], path);
		strcpy(path, FILE_DIR "/file");
	}
	if (why)
		return why;
	disk[which] = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (disk[which] < 0)
		return "a disk cannot be opened";
	why = disk_fill(disk[which]);
	if (why)
		close(disk[which]);
	return why;
}

static void disk_end(int which)
{
	if (disk[which] != disk[PINNING] || which == PINNING)
		close(disk[which]);
	if (which == GETTING) {
		umount(FILE_DIR);
		rmdir(FILE_DIR);
	}
	slow_end(disk_name[which]);
}

static void disks_end(void)
{
	disk_end(GETTING);
	disk_end(PINNING);
}

static bool disk_gets(void)
{
	return disk[GETTING] != disk[PINNING];
}

static const char *disks_make(void)
{
	const char *why;

	junk = mmap(NULL, SLOW_REQUEST, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (junk == MAP_FAILED)
		return "no memory";
	if (syscall(SYS_io_setup, 256, &aio))
		return "no AIO";
	why = disk_open(PINNING);
	if (why) {
		slow_end(disk_name[PINNING]);
		return why;
	}
	why = disk_open(GETTING);
	if (why) {
		ksft_print_msg("%s: %s\n", disk_name[GETTING], why);
		disk[GETTING] = disk[PINNING];
		disk_end(GETTING);
	}
	return NULL;
}

#endif /* __COMPACT_SECTORS_H */
