// SPDX-License-Identifier: GPL-2.0
/*
 * Direct compaction: allocations of huge pages that compact for themselves.
 *
 * Memory is filled with single pages, a random half is given back, and all huge
 * pages that are left are taken. Every huge page that is asked for then has to be
 * made out of holes by the task that wants it.
 *
 * What it proves:
 *  - nr_hugepages and page faults get huge pages out of memory in pieces, for
 *    one task and for several at once, and no page loses its contents;
 *  - compact_stall, _fail and _success, the pressure and the delays that are
 *    accounted add up to what has happened;
 *  - defrag=never does not compact;
 *  - a huge page that cannot be had is given up after a few rounds;
 *  - the trace events of direct compaction and of deferral come with fields that
 *    agree with the machine and with one another.
 *
 * What makes it fail: compaction that gives up early or is not tried; a counter
 * forgotten or counted twice; events that are missing or tell of something else.
 *
 * How many of the huge pages must be had is --share PERCENT: with a kernel that
 * gives up earlier the rest can still be tested.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/stat.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"
#include "compact_events.h"
#include "compact_delay.h"

#define NR_HUGE		"/proc/sys/vm/nr_hugepages"
/* For tasks in a group of their own: others stall for memory too. */
#define GROUP		"/sys/fs/cgroup/compact_direct/"
#define PRESSURE	GROUP "memory.pressure"
#define MAX_THREADS	4
#define ENOUGH_IN_VAIN	16

static struct {
	__u64 seed;
	unsigned long share;	/* of huge pages that must be had, per cent */
} opt = { .seed = 1, .share = 90 };

enum { STALL, FAIL, SUCCESS, THP, FALLBACK, NR_COUNTERS };

static const char * const counter_name[] = {
	"compact_stall", "compact_fail", "compact_success",
	"thp_fault_alloc", "thp_fault_fallback",
};

static struct pool pool;
static struct demand easy;
static long counter[NR_COUNTERS];

static void count(void)
{
	int i;

	for (i = 0; i < NR_COUNTERS; i++)
		counter[i] = cu_vmstat(counter_name[i]);
}

static void count_since(void)
{
	int i;

	for (i = 0; i < NR_COUNTERS; i++)
		counter[i] = cu_vmstat(counter_name[i]) - counter[i];
	ksft_print_msg("stall %ld fail %ld success %ld, faults: huge %ld not %ld\n",
		       counter[STALL], counter[FAIL], counter[SUCCESS],
		       counter[THP], counter[FALLBACK]);
}

static void begin_scene(void)
{
	pool_scatter(&pool);
	if (demand_easy(&easy, "madvise"))
		ksft_exit_fail_msg("no memory\n");
	forget_failures();
}

static void end_scene(void)
{
	demand_unmap(&easy);
}

static bool stalls_add_up(void)
{
	return counter[STALL] > 0 && counter[SUCCESS] > 0 &&
	       counter[STALL] == counter[SUCCESS] + counter[FAIL];
}

static void test_hugetlb(void)
{
	long had = cu_read_long(NR_HUGE);
	size_t want, got, bad;

	if (had < 0) {
		ksft_test_result_skip("no hugetlb\n");
		ksft_test_result_skip("no hugetlb\n");
		return;
	}
	begin_scene();
	want = demand_fair();
	count();
	cu_write_long(NR_HUGE, had + want);
	got = cu_read_long(NR_HUGE) - had;
	count_since();
	cu_write_long(NR_HUGE, had);
	bad = pool_bad(&pool);
	ksft_test_result(got * 100 >= want * opt.share && !bad,
			 "nr_hugepages: %zu made of %zu wanted, %zu pages bad\n",
			 got, want, bad);
	ksft_test_result(stalls_add_up(), "nr_hugepages: stalls add up\n");
	end_scene();
}

/* One of those who fault at once. */
struct faulter {
	pthread_t thread;
	struct demand *want;
	size_t from;
	size_t to;
	long delays;
	long us;
};

static pthread_barrier_t start;

static void *fault(void *arg)
{
	struct faulter *f = arg;
	size_t pages = huge_size() / cu_psize, i;

	pthread_barrier_wait(&start);
	demand_fault(f->want, f->from, f->to);
	f->delays = delay_compactions(&f->us);
	for (i = f->from * pages; i < f->to * pages; i++)
		cu_page_fill(f->want->area + i * cu_psize, ~pool.seed, i);
	return NULL;
}

/* Returns how many compactions the tasks have waited for, and how long in all. */
static long fault_at_once(struct demand *want, unsigned int threads, long *us)
{
	struct faulter f[MAX_THREADS];
	long delays = 0;
	unsigned int i;

	pthread_barrier_init(&start, NULL, threads);
	for (i = 0; i < threads; i++) {
		f[i].want = want;
		f[i].us = 0;
		f[i].from = want->nr * i / threads;
		f[i].to = want->nr * (i + 1) / threads;
		if (pthread_create(&f[i].thread, NULL, fault, &f[i]))
			ksft_exit_fail_msg("no thread\n");
	}
	for (i = 0; i < threads; i++) {
		pthread_join(f[i].thread, NULL);
		delays += f[i].delays;
		*us += f[i].us;
	}
	return delays;
}

static size_t demand_bad(const struct demand *want)
{
	size_t pages = want->nr * huge_size() / cu_psize, bad = 0, i;

	for (i = 0; i < pages; i++)
		bad += !cu_page_ok(want->area + i * cu_psize, ~pool.seed, i);
	return bad;
}

/* How long the group's tasks have stalled for memory, or -1 if nobody counts. */
static long pressure(void)
{
	char text[256] = "";
	const char *at;
	int fd = open(PRESSURE, O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	at = strstr(text, "total=");
	return at ? strtol(at + 6, NULL, 10) : -1;
}

static char was_in[256];

/* Of cgroup v2 the line is "0::" and a path. */
static long group_enter(void)
{
	char text[sizeof(was_in) - 32] = "";
	int fd = open("/proc/self/cgroup", O_RDONLY);
	const char *at;

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		text[strcspn(text, "\n")] = '\0';
	close(fd);
	at = strstr(text, "0::/");
	if (at != text || (mkdir(GROUP, 0755) && errno != EEXIST) ||
	    cu_write_text(GROUP "cgroup.procs", "0"))
		return -1;
	snprintf(was_in, sizeof(was_in), "/sys/fs/cgroup%s/cgroup.procs",
		 at + 3);
	return pressure();
}

static void group_leave(void)
{
	if (was_in[0])
		cu_write_text(was_in, "0");
	rmdir(GROUP);
}

/* What has been waited for compaction is a stall, reclaim would be more. */
static void test_accounts(long pressed, long delays, long us)
{
	if (pressed < 0 || delays < 0)
		ksft_test_result_skip("no pressure is accounted\n");
	else
		ksft_test_result(us && pressed >= us / 2,
				 "%ld us of compaction, pressure %ld us\n", us,
				 pressed);
	if (delays < 0)
		ksft_test_result_skip("no delays are accounted\n");
	else
		/* The stack of a new task can take compaction too. */
		ksft_test_result(delays && delays * 10 >= counter[STALL] * 9,
				 "the task has waited for compaction %ld times\n",
				 delays);
}

static void test_faults(unsigned int threads)
{
	long pressed, us = 0, delays;
	struct demand want;
	size_t huge, bad;

	begin_scene();
	huge = huge_there();
	if (demand_map(&want, demand_fair()))
		ksft_exit_fail_msg("no memory\n");
	count();
	pressed = group_enter();
	delays = fault_at_once(&want, threads, &us);
	if (pressed >= 0)
		pressed = pressure() - pressed;
	group_leave();
	count_since();
	huge = huge_there() - huge;
	bad = demand_bad(&want) + pool_bad(&pool);
	ksft_test_result(huge * 100 >= want.nr * opt.share && !bad,
			 "%u tasks: %zu huge of %zu faults, %zu pages bad\n",
			 threads, huge, want.nr, bad);
	ksft_test_result(stalls_add_up() && counter[THP] == (long)huge &&
			 counter[THP] + counter[FALLBACK] == (long)want.nr,
			 "%u tasks: stalls and faults add up\n", threads);
	if (threads == 1)
		test_accounts(pressed, delays, us);
	demand_unmap(&want);
	end_scene();
}

static void test_never(void)
{
	struct demand want;

	begin_scene();
	if (demand_map(&want, demand_fair()))
		ksft_exit_fail_msg("no memory\n");
	knob_set(THP_DEFRAG, "never");
	count();
	demand_fault(&want, 0, want.nr);
	count_since();
	ksft_test_result(!counter[STALL] && counter[FALLBACK] > 0 &&
			 counter[THP] * 10 < counter[FALLBACK],
			 "defrag=never does not compact\n");
	demand_unmap(&want);
	end_scene();
}

static long reclaims(void)
{
	static const char * const name[] = {
		"allocstall_dma", "allocstall_dma32", "allocstall_normal",
		"allocstall_movable",
	};
	long nr = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		long val = cu_vmstat(name[i]);

		nr += val > 0 ? val : 0;
	}
	return nr;
}

/* Asks for one more page until that was in vain, or was not, so many times. */
static long ask(long *vain, long times, bool until_had)
{
	long had = cu_read_long(NR_HUGE), asked, is = had;

	for (asked = 0; asked < times && !(until_had && is > had); asked++) {
		long was = is;

		cu_write_long(NR_HUGE, was + 1);
		is = cu_read_long(NR_HUGE);
		*vain += is == was;
	}
	return is - had;
}

/*
 * Where nothing can be made each attempt ends soon: reclaim stands back for compaction,
 * which is let pass, and there is no reason to go round. When pages can be made again
 * somebody finds out.
 */
static void test_vain(void)
{
	long had = cu_read_long(NR_HUGE), rounds, scanned, got, vain = 0, later = 0;

	if (had < 0) {
		ksft_test_result_skip("no hugetlb\n");
		ksft_test_result_skip("no hugetlb\n");
		return;
	}
	begin_scene();
	if (pool_nail(&pool))
		ksft_exit_fail_msg("cannot lock pages in memory\n");
	/* what is still free on per-cpu lists */
	ask(&vain, ENOUGH_IN_VAIN, false);
	vain = 0;
	scanned = cu_vmstat("compact_migrate_scanned");
	rounds = reclaims();
	ask(&vain, ENOUGH_IN_VAIN, false);
	rounds = reclaims() - rounds;
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	pool_unnail(&pool);
	got = ask(&later, MAX_DEFERRED, true);
	cu_write_long(NR_HUGE, had);
	ksft_print_msg("%ld in vain, %ld rounds of reclaim, %ld pages scanned\n",
		       vain, rounds, scanned);
	ksft_test_result(vain == ENOUGH_IN_VAIN && rounds < 6 * vain,
			 "what cannot be had is given up\n");
	ksft_test_result(got, "and is had when it can be, after %ld in vain\n", later);
	end_scene();
}

/* First in vain, which defers, and then with success, which ends that. */
static void fault_twice(void)
{
	long end = cu_vmstat(counter_name[FALLBACK]) + ENOUGH_IN_VAIN;
	struct demand want;
	size_t i;

	if (demand_map(&want, demand_fair()))
		ksft_exit_fail_msg("no memory\n");
	if (pool_nail(&pool))
		ksft_exit_fail_msg("cannot lock pages in memory\n");
	/* Some may still be free on the other node. */
	for (i = 0; i < want.nr && cu_vmstat(counter_name[FALLBACK]) < end; i++)
		demand_fault(&want, i, i + 1);
	pool_unnail(&pool);
	demand_fault(&want, i, want.nr);
	demand_unmap(&want);
}

static void test_events(void)
{
	char *text;
	int i;

	begin_scene();
	if (rules_trace())
		ksft_exit_fail_msg("cannot trace\n");
	fault_twice();
	text = trace_end();
	rules_apply(text ? text : "", getpid());
	free(text);
	end_scene();
	for (i = 0; i < NR_RULES; i++) {
		if (rules[i].wrong)
			ksft_print_msg("wrong:%s\n", rules[i].example);
		ksft_test_result(rules[i].seen && !rules[i].wrong,
				 "%s: %zu, %zu wrong\n", rules[i].event,
				 rules[i].seen, rules[i].wrong);
	}
	ksft_test_result(rules_seen("mm_compaction_begin") ==
			 rules_seen("mm_compaction_end"),
			 "each run that begins ends\n");
}

static const struct cu_option options[] = {
	{ "share", "PERCENT", &opt.share, 0, 100 },
	{ }
};

int main(int argc, char **argv)
{
	const char *why;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	why = scene_set("madvise");
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(11 + NR_RULES + 1);

	/* Counts for tasks that begin from now on. */
	knob_set("/proc/sys/kernel/task_delayacct", "1");
	if (pool_make(&pool, opt.seed))
		ksft_exit_fail_msg("no memory\n");
	test_hugetlb();
	test_faults(1);
	test_faults(MAX_THREADS);
	test_never();
	test_vain();
	test_events();
	ksft_finished();
}
