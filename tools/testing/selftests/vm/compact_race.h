/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Delays and failures inside the kernel, and an exact audit of its free pages, from
 * two modules that are built for the tests alone. Where they are not to be had, a
 * test runs without: it is as right then, and less likely to find something.
 */
#ifndef __COMPACT_RACE_H
#define __COMPACT_RACE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"

#define RACE		"/sys/kernel/debug/race"
#define FREE_AUDIT	"/sys/kernel/debug/free_audit"

/* The modules lie in the working directory. Returns 0 or -errno. */
static inline int race_load(const char *path, const char *file)
{
	int fd, err = 0;

	if (!access(path, F_OK))
		return 0;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		err = -errno;
	close(fd);
	return err;
}

static inline bool race_there(void)
{
	return !race_load(RACE, "race.ko");
}

/* At every so-manieth call the function waits before it begins. */
static inline int race_delay(const char *function, long microseconds, int every)
{
	char text[128];

	snprintf(text, sizeof(text), "delay %s %ld %d", function, microseconds,
		 every);
	return cu_write_text(RACE, text);
}

/* At every so-manieth call the function does nothing and returns value. */
static inline int race_fail(const char *function, long value, int every)
{
	char text[128];

	snprintf(text, sizeof(text), "fail %s %ld %d", function, value, every);
	return cu_write_text(RACE, text);
}

/* A warning if a page is mapped again by an anon_vma that nobody holds. */
static inline int race_alive(void)
{
	return cu_write_text(RACE, "alive");
}

static inline int race_clear(void)
{
	return cu_write_text(RACE, "clear");
}

/* Of a line of RACE, how many hits were by tasks whose name begins like that? */
static inline long race_hits_of(const char *line, const char *by)
{
	long hits = 0, nr;
	char name[32];

	while ((line = strchr(line, ','))) {
		line++;
		if (sscanf(line, " %31s %ld", name, &nr) == 2 &&
		    !strncmp(name, by, strlen(by)))
			hits += nr;
	}
	return hits;
}

/* How often a delay or a failure came about, for such tasks or (NULL) all, or -1. */
static inline long race_hits_by(const char *function, const char *by)
{
	char line[1024], name[64];
	FILE *in = fopen(RACE, "r");
	long hits = -1, nr;

	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "%*s %63s %*d every %*u: %*d calls, %ld hit",
			   name, &nr) == 2 && !strcmp(name, function))
			hits = by ? race_hits_of(line, by) : nr;
	if (in)
		fclose(in);
	return hits;
}

static inline long race_hits(const char *function)
{
	return race_hits_by(function, NULL);
}

#define AUDIT_LINE	"node %*d zone %*s counted %ld listed %ld " \
			"cma-counted %ld cma-listed %ld misplaced %ld bad %ld"

/* What the audit found, summed up over the zones. In pages. */
struct free_audit {
	long free;		/* that are counted as free */
	long unequal;		/* the counters against the free lists */
	long misplaced;		/* on the list of a type that is not their block's */
	long bad;		/* on a free list and not free; blocks of the index, too */
};

/* Exact at any time. Returns 0 or -errno. */
static inline int free_audit(struct free_audit *sum)
{
	long counted, listed, cma_counted, cma_listed, misplaced, bad;
	int err = race_load(FREE_AUDIT, "audit.ko");
	char line[256];
	FILE *in;

	memset(sum, 0, sizeof(*sum));
	if (err)
		return err;
	in = fopen(FREE_AUDIT, "r");
	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, AUDIT_LINE, &counted, &listed, &cma_counted,
			   &cma_listed, &misplaced, &bad) != 6) {
			err = -EIO;
			break;
		}
		sum->free += counted;
		sum->unequal += counted > listed ? counted - listed :
						   listed - counted;
		sum->unequal += cma_counted > cma_listed ?
				cma_counted - cma_listed :
				cma_listed - cma_counted;
		sum->misplaced += misplaced;
		sum->bad += bad;
	}
	fclose(in);
	return err;
}

#endif /* __COMPACT_RACE_H */
