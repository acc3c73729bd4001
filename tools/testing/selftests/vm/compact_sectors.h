/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers that a slow disk reads into while their process writes to the sectors in
 * between, each of which tells what it is.
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
#define DISK_SECTORS	128	/* with data, in the beginning */
#define JUNK_OFFSET	(1024 * 1024)
#define IO_MS		10000

static __u64 slow_seed;
static struct cu_rng rng;
static int disk = -1;
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
	struct ring *ring;	/* with which it is registered */
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
		err = aio_read(aio, disk, junk, SLOW_REQUEST, JUNK_OFFSET);
	buf->pending = i;
	for (i = 0; i < SECTORS && !err; i += 2) {
		off_t at;

		buf->from[i] = cu_rand(&rng) % DISK_SECTORS;
		at = (off_t)buf->from[i] * SECTOR;
		if (buf->ring)
			err = ring_read(buf->ring, disk, sector_of(buf, i),
					SECTOR, at);
		else
			err = aio_read(aio, disk, sector_of(buf, i), SECTOR,
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

static const char *disk_make(void)
{
	char *data;
	int i, err = 0;

	disk = slow_open(DISK_MIB);
	if (disk < 0)
		return "no disk of null_blk";
	junk = mmap(NULL, SLOW_REQUEST, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	data = mmap(NULL, SLOW_REQUEST, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (junk == MAP_FAILED || data == MAP_FAILED)
		return "no memory";
	for (i = 0; i < DISK_SECTORS && !err; i++) {
		sector_fill(data, tag_of(READ, 0, i));
		err = pwrite(disk, data, SECTOR, (off_t)i * SECTOR) != SECTOR;
	}
	munmap(data, SLOW_REQUEST);
	if (syscall(SYS_io_setup, 256, &aio))
		return "no AIO";
	return err ? "the disk cannot be written" : NULL;
}

#endif /* __COMPACT_SECTORS_H */
