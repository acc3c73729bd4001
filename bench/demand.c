// SPDX-License-Identifier: GPL-2.0
/*
 * The demands: who wants large pages, one way or another, and what that costs.
 *
 * On one CPU whose clock counts instructions, a nanosecond is an instruction, and
 * what the kernel's daemons do meanwhile is part of the time.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"
#include "../kselftest.h"

#define NR_HUGE		"/proc/sys/vm/nr_hugepages"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
/* So many in a row that come to nothing end a demand, if its parameter says no other. */
#define VAIN		6
#define MAX_HUGE	16384
#define MAX_THREADS	8
/* Each takes some memory besides. */
#define MAX_RINGS	2600

static __u64 took[MAX_HUGE];

static long moved(void)
{
	return cu_vmstat("pgmigrate_success");
}

/*
 * What the first tenth of what there could be has cost, the first two, and so on, as
 * far as it went: the last ones cost the most, and one kernel may make more than another.
 */
static void row_parts(const size_t *at, const long *moves, size_t nr_took,
		      size_t made, size_t attainable)
{
	static __u64 part[MAX_HUGE];
	char name[32];
	size_t i, nr;

	for (i = 1; i <= PARTS && made >= part_of(attainable, i); i++) {
		for (nr = 0; nr < nr_took && at[nr] <= part_of(attainable, i); nr++)
			part[nr] = took[nr];
		snprintf(name, sizeof(name), "part%zu", i);
		row_spread(name, part, nr);
		snprintf(name, sizeof(name), "part%zu_moved", i);
		row(name, nr ? moves[nr - 1] : 0);
	}
}

/*
 * One huge page after the other. Those that needed compaction are told apart from
 * those that were there, and from attempts that failed.
 */
static void hugetlb_one(struct scene *scene, const char *param,
			size_t attainable)
{
	static __u64 vain[MAX_HUGE];
	static size_t at[MAX_HUGE];
	static long moves[MAX_HUGE];
	size_t nr_took = 0, nr_vain = 0, in_a_row = 0;
	size_t enough = *param == '-' ? VAIN : strtoul(param, NULL, 10);
	long nr = 0, start = moved();

	(void)scene;
	while (in_a_row < enough && nr_took + nr_vain < MAX_HUGE) {
		long before = moved();
		__u64 ns = now_ns();

		cu_write_long(NR_HUGE, nr + 1);
		ns = now_ns() - ns;
		if (cu_read_long(NR_HUGE) > nr) {
			nr++;
			in_a_row = 0;
			if (moved() > before) {
				at[nr_took] = nr;
				moves[nr_took] = moved() - start;
				took[nr_took++] = ns;
			}
		} else {
			in_a_row++;
			vain[nr_vain++] = ns;
		}
	}
	row("made", nr);
	row("compacted_for", nr_took);
	row_parts(at, moves, nr_took, nr, attainable);
	row_spread("ns", took, nr_took);
	if (in_a_row) {
		row("vain_first_ns", vain[nr_vain - in_a_row]);
		row_spread("vain_again_ns", vain + nr_vain - in_a_row + 1,
			   in_a_row - 1);
	}
}

/* As many as there could be, with one write. */
static void hugetlb_all(struct scene *scene, const char *param,
			size_t attainable)
{
	__u64 ns = now_ns();

	(void)scene;
	(void)param;
	cu_write_long(NR_HUGE, attainable);
	ns = now_ns() - ns;
	row("made", cu_read_long(NR_HUGE));
	row("total_ns", ns);
}

/* Threads that fault huge pages, each in a part of its own. */
struct faulter {
	pthread_t thread;
	char *area;
	size_t nr;
	__u64 *ns;
};

static void *fault(void *arg)
{
	struct faulter *f = arg;
	size_t huge = cu_psize << cu_huge_order(), i;

	for (i = 0; i < f->nr; i++) {
		__u64 ns = now_ns();

		cu_touch(f->area + i * huge, i);
		f->ns[i] = now_ns() - ns;
	}
	return NULL;
}

static void thp(struct scene *scene, const char *param, size_t attainable)
{
	size_t huge = cu_psize << cu_huge_order(), nr = attainable, i;
	unsigned int threads = atoi(param);
	struct faulter faulter[MAX_THREADS];
	long got, fell;
	__u64 ns;
	char *area;

	(void)scene;
	if (!threads || threads > MAX_THREADS)
		die("1 to 8 threads");
	if (nr > MAX_HUGE)
		nr = MAX_HUGE;
	nr -= nr % threads;
	cu_write_text(THP "enabled", "madvise");
	cu_write_text(THP "defrag", "always");
	cu_write_text(THP "khugepaged/defrag", "0");
	area = mmap(NULL, (nr + 1) * huge, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		die("no address space");
	area = (char *)(((uintptr_t)area + huge - 1) & -huge);
	madvise(area, nr * huge, MADV_HUGEPAGE);
	got = cu_vmstat("thp_fault_alloc");
	fell = cu_vmstat("thp_fault_fallback");
	ns = now_ns();
	for (i = 0; i < threads; i++) {
		faulter[i] = (struct faulter) {
			.area = area + i * (nr / threads) * huge,
			.nr = nr / threads,
			.ns = took + i * (nr / threads),
		};
		if (pthread_create(&faulter[i].thread, NULL, fault,
				   &faulter[i]))
			die("no thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(faulter[i].thread, NULL);
	row("total_ns", now_ns() - ns);
	row("made", cu_vmstat("thp_fault_alloc") - got);
	row("fell_back", cu_vmstat("thp_fault_fallback") - fell);
	row("wanted", nr);
	row_spread("ns", took, nr);
}

/*
 * The kernel's own demand for some pages in a row: io_uring's submission entries
 * are one piece, 64 bytes each. Takes so many pieces as make a twelfth of memory; the
 * rest of each ring takes about as much again.
 */
static void small_order(struct scene *scene, const char *param,
			size_t attainable)
{
	const struct rlimit files = { MAX_RINGS + 64, MAX_RINGS + 64 };
	unsigned int order = atoi(param);
	size_t want = cu_meminfo("MemTotal") / 12 >> order, made = 0, i;

	(void)scene;
	(void)attainable;
	if (order < 1 || order > 6)
		die("an order from 1 to 6");
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("cannot have so many files");
	if (want > MAX_RINGS)
		want = MAX_RINGS;
	for (i = 0; i < want; i++) {
		struct io_uring_params p = { 0 };
		__u64 ns = now_ns();
		int fd;

		fd = syscall(SYS_io_uring_setup, (cu_psize << order) / 64, &p);
		took[made] = now_ns() - ns;
		if (fd < 0)
			break;
		made++;
	}
	row("asked", want);
	row("made", made);
	row_spread("ns", took, made);
}

static size_t huge_free(void)
{
	static struct cu_zones zones;

	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	if (cu_read_zones(&zones))
		die("cannot read the zones");
	return cu_huge_free(&zones);
}

/*
 * The kernel's own demand: page tables, which cannot move, as many MiB as the parameter
 * says. First some huge pages are made, so that compaction has seen the memory, and
 * given back. How many of them are left when the kernel has what it wants?
 */
static void fixed(struct scene *scene, const char *param, size_t attainable)
{
	size_t huge = cu_psize << cu_huge_order(), before, i;
	size_t nr = (strtoul(param, NULL, 10) << 20) / cu_psize;
	char *area;
	__u64 ns;

	(void)scene;
	cu_write_text(THP "enabled", "never");
	cu_write_long(NR_HUGE, attainable / 2);
	cu_write_long(NR_HUGE, 0);
	area = mmap(NULL, nr * huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		die("no address space");
	before = huge_free();
	ns = now_ns();
	/* a table for each, and no page but the one of zeros */
	for (i = 0; i < nr; i++)
		madvise(area + i * huge, cu_psize, MADV_POPULATE_READ);
	row("table_ns", (double)(now_ns() - ns) / nr);
	row("free_before", before);
	row("kept", before ? (double)huge_free() / before : 0);
}

/* The whole machine, by an administrator's hand. */
static void whole(struct scene *scene, const char *param, size_t attainable)
{
	__u64 ns = now_ns();

	(void)scene;
	(void)attainable;
	if (!strcmp(param, "node"))
		cu_write_text("/sys/devices/system/node/node0/compact", "1");
	else
		cu_compact();
	row("total_ns", now_ns() - ns);
	row("made", huge_free());
}

/* The daemon's work ahead of need: how long until it is content, at what cost. */
static void proactive(struct scene *scene, const char *param,
		      size_t attainable)
{
	size_t last = huge_free(), huge;
	int quiet = 0, i;

	(void)scene;
	(void)attainable;
	cu_write_long(CU_PROACTIVE, atoi(param));
	for (i = 0; i < 600 && quiet < 30; i++) {
		cu_sleep_ms(200);
		huge = huge_free();
		quiet = huge == last ? quiet + 1 : 0;
		last = huge;
	}
	cu_write_long(CU_PROACTIVE, 0);
	row("made", last);
	row("waited_ms", i * 200);
}

/* What those pay who need no compaction: instructions for each operation. */

static __u64 faults(unsigned int rounds)
{
	size_t pages = 4096, i;
	__u64 ns = now_ns();

	while (rounds--) {
		char *area = cu_map(pages);

		for (i = 0; i < pages; i++)
			cu_touch(area + i * cu_psize, i);
		cu_unmap(area, pages);
	}
	return now_ns() - ns;
}

static __u64 forks(unsigned int rounds)
{
	__u64 ns = now_ns();

	while (rounds--) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return now_ns() - ns;
}

static __u64 file_reads(unsigned int rounds)
{
	static char text[1 << 20];
	int fd = open("/tmp/bench-read", O_RDWR | O_CREAT, 0600);
	__u64 ns;

	if (fd < 0 || write(fd, text, sizeof(text)) != sizeof(text))
		die("no file");
	ns = now_ns();
	while (rounds--)
		if (pread(fd, text, sizeof(text), 0) != sizeof(text))
			die("cannot read");
	ns = now_ns() - ns;
	close(fd);
	unlink("/tmp/bench-read");
	return ns;
}

static __u64 small_files(unsigned int rounds)
{
	__u64 ns = now_ns();
	char path[64];
	unsigned int i;

	while (rounds--) {
		for (i = 0; i < 256; i++) {
			snprintf(path, sizeof(path), "/tmp/small%u", i);
			close(open(path, O_RDWR | O_CREAT, 0600));
		}
		for (i = 0; i < 256; i++) {
			snprintf(path, sizeof(path), "/tmp/small%u", i);
			unlink(path);
		}
	}
	return now_ns() - ns;
}

static void none(struct scene *scene, const char *param, size_t attainable)
{
	(void)scene;
	(void)param;
	(void)attainable;
	/* once to warm up */
	faults(1);
	row("fault_ns", faults(16) / (16 * 4096.0));
	forks(10);
	row("fork_ns", forks(300) / 300.0);
	file_reads(1);
	row("read_ns", file_reads(64) / (64 * 256.0));
	small_files(1);
	row("file_ns", small_files(8) / (8 * 256.0));
}

const struct demand_kind demand_kinds[] = {
	{ "hugetlb-one", hugetlb_one },
	{ "hugetlb-all", hugetlb_all },
	{ "thp", thp },
	{ "order", small_order },
	{ "fixed", fixed },
	{ "whole", whole },
	{ "proactive", proactive },
	{ "none", none },
	{ }
};
