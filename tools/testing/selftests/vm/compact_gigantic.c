// SPDX-License-Identifier: GPL-2.0
/*
 * Gigantic pages at run time: an aligned range of 1 GiB, out of memory in use.
 *
 * What it proves: the pages that are in the way are moved out of it and are what
 * they were; the range is where a gigantic page may be, and can be used. While
 * somebody holds one page of each range there is none to be had, and who asks is
 * told so; pages, isolated pageblocks and free memory are what they were then, and
 * when nobody holds them any more the same request succeeds. A new page that waits in
 * a batch of another CPU for its LRU list is none that somebody holds.
 *
 * What makes it fail: a range whose pages are not moved; a page that is moved while
 * somebody holds it; contents that are lost; a range that stays isolated after a
 * failure, or memory that does not come back; a page in a batch that is not looked for.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_pin.h"
#include "compact_scene.h"
#include "compact_rest.h"

#define GIGANTIC	(1024UL * 1024 * 1024)
#define NR_GIGANTIC	"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
/* There has to be more than 1 GiB of holes. */
#define KEEP_PERCENT	25
#define MAX_RANGES	64
/* One of so many should come to lie in the range. */
#define NEW_PAGES	1024

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30U << 26)
#endif

/* A page that somebody holds, in a range of its own. */
struct held {
	int fd[2];
	size_t page;
	__u64 pfn;
	__u64 range;
};

static struct pool pool;
static struct cu_zones zones;
static struct rest was;
static __u64 *pfns;
static struct held held[MAX_RANGES];
static int nr_held;

static size_t range_pages(void)
{
	return GIGANTIC / cu_psize;
}

static char *pool_page(size_t page)
{
	return pool.area + page * cu_psize;
}

/* The range that a frame is in, if it lies in one zone that gigantic pages are from. */
static __u64 range_of(__u64 pfn)
{
	const struct cu_zone *zone = zone_of(&zones, pfn);
	__u64 start = pfn & -range_pages();

	return zone && strcmp(zone->name, "Movable") && start >= zone->start &&
	       start + range_pages() <= zone->start + zone->spanned ? start : 0;
}

static int all_ranges(void)
{
	const struct cu_zone *zone;
	int nr = 0, i;
	__u64 pfn;

	for (i = 0; i < zones.nr; i++) {
		zone = &zones.zone[i];
		pfn = (zone->start + range_pages() - 1) & -range_pages();
		for (; pfn < zone->start + zone->spanned; pfn += range_pages())
			nr += !!range_of(pfn);
	}
	return nr;
}

/*
 * The page tables first, as long as all memory is free: later on they would lie in
 * the way, and cannot be moved.
 */
static void fill(__u64 seed)
{
	size_t step = huge_size() / cu_psize, i;

	if (pool_make(&pool, seed))
		ksft_exit_fail_msg("no memory for a pool\n");
	/* what they take, and the frame numbers */
	pool.pages -= pool.pages / 256;
	pfns = calloc(pool.pages, sizeof(*pfns));
	if (!pfns)
		ksft_exit_fail_msg("no memory for %zu frame numbers\n", pool.pages);
	memset(pfns, 1, pool.pages * sizeof(*pfns));
	for (i = 0; i < pool.pages; i += step)
		cu_touch(pool_page(i), i);
}

static void scatter(void)
{
	pool_scatter_to(&pool, KEEP_PERCENT);
	look_twice(&was);
}

static void look_where(void)
{
	if (cu_pfns(pool.area, pool.pages, pfns))
		ksft_exit_fail_msg("where pages are is not to be known\n");
}

/* Who holds a page has to know where it is then. */
static bool hold(struct held *h, size_t page)
{
	struct iovec iov = { pool_page(page), cu_psize };

	h->page = page;
	if (pipe(h->fd) || vmsplice(h->fd[1], &iov, 1, 0) != (ssize_t)cu_psize ||
	    cu_pfns(iov.iov_base, 1, &h->pfn))
		ksft_exit_fail_msg("no page gets into a pipe\n");
	h->range = range_of(h->pfn);
	return h->range == range_of(pfns[page]);
}

/* Returns whether it is where it was, and what it was. */
static bool let_go(struct held *h)
{
	static char page[65536];
	__u64 pfn = 0;
	bool good;

	good = !cu_pfns(pool_page(h->page), 1, &pfn) && pfn == h->pfn &&
	       read(h->fd[0], page, cu_psize) == (ssize_t)cu_psize &&
	       cu_page_ok(page, pool.seed, h->page);
	close(h->fd[0]);
	close(h->fd[1]);
	return good;
}

static bool range_is_held(__u64 range)
{
	int i;

	for (i = 0; i < nr_held; i++)
		if (held[i].range == range)
			return true;
	return false;
}

/* One page in each range. */
static void hold_ranges(void)
{
	size_t page;
	__u64 range;

	look_where();
	for (page = pool.pages; page--;) {
		range = pfns[page] ? range_of(pfns[page]) : 0;
		if (!range || range_is_held(range))
			continue;
		if (hold(&held[nr_held], page))
			nr_held++;
		else
			let_go(&held[nr_held]);
	}
}

/* Returns how many there are then. */
static long want(long nr)
{
	if (cu_write_long(NR_GIGANTIC, nr))
		return -1;
	return cu_read_long(NR_GIGANTIC);
}

/* Is it one range, and none of the pool's pages in it? */
static bool range_is_whole(void)
{
	size_t nr = range_pages(), page;
	__u64 first = 0, last = 0;
	char *area, *end;
	bool whole;

	area = mmap(NULL, GIGANTIC, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);
	if (area == MAP_FAILED)
		return false;
	end = area + GIGANTIC - cu_psize;
	cu_page_fill(area, pool.seed, pool.pages);
	cu_page_fill(end, pool.seed, pool.pages + 1);
	look_where();
	whole = !cu_pfns(area, 1, &first) && !cu_pfns(end, 1, &last) && first &&
		!(first % nr) && last == first + nr - 1 &&
		cu_page_ok(area, pool.seed, pool.pages) &&
		cu_page_ok(end, pool.seed, pool.pages + 1);
	for (page = 0; page < pool.pages && whole; page++)
		whole = pfns[page] < first || pfns[page] > last;
	munmap(area, GIGANTIC);
	return whole;
}

static void test_move(void)
{
	long moved = cu_vmstat("pgmigrate_success");
	long ms = cu_now_ms(), got;

	got = want(1);
	ms = cu_now_ms() - ms;
	moved = cu_vmstat("pgmigrate_success") - moved;
	ksft_print_msg("%ld had, in %ld ms; %ld pages moved\n", got, ms, moved);
	ksft_test_result(got == 1 && moved > (long)range_pages() / 100,
			 "one out of memory in use: it takes migration\n");
	ksft_test_result(got == 1 && range_is_whole(),
			 "it is one aligned range, and can be used\n");
	ksft_test_result(!pool_bad(&pool), "the pages that were in it are what they were\n");
	ksft_test_result(!want(0) && at_rest(&was) && !negative_reports(),
			 "given back, it is free memory again\n");
}

static void test_held(void)
{
	long ms, got;
	int stayed = 0, i;

	hold_ranges();
	ms = cu_now_ms();
	got = want(1);
	ms = cu_now_ms() - ms;
	for (i = 0; i < nr_held; i++)
		stayed += let_go(&held[i]);
	ksft_print_msg("a page held in each of %d ranges, %d stayed: %ld had, in %ld ms\n",
		       nr_held, stayed, got, ms);
	ksft_test_result(nr_held && !got && stayed == nr_held,
			 "none while somebody holds a page of each range\n");
	ksft_test_result(at_rest(&was) && !pool_bad(&pool), "and all is what it was\n");
	ksft_test_result(want(1) == 1 && !want(0), "one when nobody does any more\n");
}

static bool waits_in_batch(__u64 pfn)
{
	return range_of(pfn) && !(frame_flags(pfn) & cu_kpf(CU_KPF_LRU));
}

/* Makes new pages on another CPU until one waits there in the range, and tells where. */
static void make_new_page(int tell, int end)
{
	char *area = cu_map(NEW_PAGES), *page = area;
	__u64 from = 0, to = 0;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!area || run_on_cpu(1))
		_exit(2);
	for (i = 0; i < NEW_PAGES && !waits_in_batch(from); i++) {
		page = area + i * cu_psize;
		cu_page_fill(page, pool.seed, i);
		if (cu_pfns(page, 1, &from))
			_exit(2);
	}
	if (write(tell, &from, sizeof(from)) != sizeof(from) || read(end, &to, 1))
		_exit(2);
	_exit(cu_pfns(page, 1, &to) || !to || range_of(to) == range_of(from) ||
	      !cu_page_ok(page, pool.seed, i - 1));
}

static void test_new_page(void)
{
	int told[2], end[2], status = -1;
	bool waited;
	__u64 pfn;
	pid_t pid;
	long got;

	if (pipe(told) || pipe(end))
		ksft_exit_fail_msg("no pipes\n");
	pid = cu_fork();
	if (!pid) {
		close(end[1]);
		make_new_page(told[1], end[0]);
	}
	close(told[1]);
	run_on_cpu(0);
	waited = read(told[0], &pfn, sizeof(pfn)) == sizeof(pfn) && waits_in_batch(pfn);
	got = want(1);
	close(end[1]);
	waitpid(pid, &status, 0);
	close(end[0]);
	close(told[0]);
	ksft_print_msg("a new page %s in a batch, its process ends with %x: %ld had\n",
		       waited ? "waits" : "does not wait", status, got);
	ksft_test_result(waited && got == 1,
			 "one although a new page waits in another CPU's batch\n");
	ksft_test_result(!status && !want(0) && at_rest(&was) && !pool_bad(&pool),
			 "which has moved, and is what it was\n");
}

static void test_new(void)
{
	if (all_ranges() > 1 || sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		ksft_test_result_skip("a new page in a batch: needs a single range\n");
		ksft_test_result_skip("and a second CPU\n");
		return;
	}
	scatter();
	test_new_page();
}

int main(int argc, char **argv)
{
	__u64 seed = 1;

	cu_init();
	cu_parse(argc, argv, &seed, NULL);
	ksft_print_header();
	if (cu_read_long(NR_GIGANTIC) || knob_set(NR_GIGANTIC, "0"))
		ksft_exit_skip("needs root, and gigantic pages of which there are none yet\n");
	if (cu_read_zones(&zones) || !all_ranges() || all_ranges() > MAX_RANGES)
		ksft_exit_skip("needs aligned ranges of 1 GiB in one zone, and not too many\n");
	if (!rest_begin() || free_audit(&was.audit))
		ksft_exit_skip("needs the kernel's log, and the audit of the lab\n");
	ksft_set_plan(9);
	knob_set("/proc/sys/kernel/numa_balancing", "0");
	knob_set(CU_PROACTIVE, "0");
	fill(seed);
	scatter();
	test_move();
	scatter();
	test_held();
	test_new();
	cu_unmap(pool.area, pool.pages);
	ksft_finished();
}
