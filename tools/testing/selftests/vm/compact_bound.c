// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that are bound to a node, and compact for huge pages.
 *
 * Of a machine with two nodes memory is full of holes, and all huge pages that
 * were left are taken. A task on a CPU of node 0 that may only have memory of
 * node 1, by its policy or by its cpuset, wants huge pages.
 *
 * What it proves: the task gets huge pages of node 1, which it has to make there;
 * and node 0 is neither compacted by it nor gives it a page.
 *
 * What makes it fail: compaction of zones that the allocation may not use, also
 * where that is only asked (a huge page that is free there would be taken for
 * success); a page captured there.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"

#define CGROUP		"/sys/fs/cgroup/"
#define MY_CGROUP	CGROUP "compact_bound/"

static struct {
	__u64 seed;
	unsigned long share;	/* of huge pages that must be had, per cent */
} opt = { .seed = 1, .share = 90 };

static struct pool pool;
static struct demand easy;

static int bind_by_policy(void)
{
	unsigned long nodes = 1UL << 1;

	return syscall(SYS_set_mempolicy, MPOL_BIND, &nodes,
		       8 * sizeof(nodes));
}

/* cgroup v2 names the controllers that the children are to have. */
static int bind_by_cpuset(void)
{
	cu_write_text(CGROUP "cgroup.subtree_control", "+cpuset");
	if (mkdir(MY_CGROUP, 0700) && errno != EEXIST)
		return -1;
	if (cu_write_text(MY_CGROUP "cpuset.mems", "1"))
		return -1;
	return cu_write_text(MY_CGROUP "cgroup.procs", "0");
}

/* Runs on a node, and whether one would be of use or is too soon. */
static const char * const watched[] = {
	"mm_compaction_begin", "mm_compaction_suitable",
	"mm_compaction_deferred",
};

static int watch(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(watched); i++)
		if (trace_switch(watched[i], "1"))
			return -1;
	return 0;
}

/* Runs are known by where they begin; the others name the node. */
static int node_of(const struct cu_zones *zones, const struct event *event)
{
	const struct cu_zone *zone;

	if (strcmp(event->name, watched[0]))
		return trace_number(event, "node");
	zone = zone_of(zones, trace_number(event, "zone_start"));
	return zone ? zone->node : -1;
}

/* How often has a task thought of a node, and how many of these were runs? */
static size_t thoughts(const struct cu_zones *zones, int node, int pid,
		       const char *text, size_t *runs)
{
	struct event event;
	size_t nr = 0;

	*runs = 0;
	while (trace_next(&text, &event)) {
		if (event.pid != pid || node_of(zones, &event) != node)
			continue;
		nr++;
		*runs += !strcmp(event.name, watched[0]);
	}
	return nr;
}

/* What a task that is bound has got: huge pages, and those on node 1. */
struct got {
	size_t huge;
	size_t here;
};

static size_t demand_on_node(const struct demand *want, int node)
{
	static struct cu_zones zones;
	size_t here = 0, i;
	__u64 pfn;

	cu_read_zones(&zones);
	for (i = 0; i < want->nr; i++) {
		cu_pfns(want->area + i * huge_size(), 1, &pfn);
		here += zone_of(&zones, pfn) &&
			zone_of(&zones, pfn)->node == node;
	}
	return here;
}

/* Runs on a CPU of node 0, so that it is its binding that keeps it away. */
static void bound_child(int (*bind)(void), struct demand *want, int out)
{
	struct got got;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	/* What comes before the binding may be had from anywhere. */
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || bind() ||
	    trace_begin())
		_exit(1);
	demand_fault(want, 0, want->nr);
	got.huge = huge_there();
	got.here = demand_on_node(want, 1);
	_exit(write(out, &got, sizeof(got)) != sizeof(got));
}

static pid_t run_bound(int (*bind)(void), size_t nr, struct got *got)
{
	struct demand want;
	int out[2], status;
	pid_t pid;

	if (pipe(out) || demand_map(&want, nr))
		ksft_exit_fail_msg("no memory\n");
	pid = fork();
	if (!pid)
		bound_child(bind, &want, out[1]);
	if (waitpid(pid, &status, 0) != pid || status ||
	    read(out[0], got, sizeof(*got)) != sizeof(*got))
		pid = -1;
	close(out[0]);
	close(out[1]);
	demand_unmap(&want);
	return pid;
}

static void test_bound(const char *how, int (*bind)(void), __u64 *was,
		       __u64 *is)
{
	static struct cu_zones zones;
	size_t moved[2], runs[2], thought[2], nr;
	struct got got = { 0 };
	char *text;
	pid_t pid;
	int n;

	pool_scatter(&pool);
	if (demand_easy(&easy, "madvise"))
		ksft_exit_fail_msg("no memory\n");
	forget_failures();
	/* of two nodes that are alike */
	nr = demand_fair() / 2;
	if (cu_read_zones(&zones) || cu_pfns(pool.area, pool.pages, was) ||
	    watch())
		ksft_exit_fail_msg("cannot watch what is moved\n");
	pid = run_bound(bind, nr, &got);
	text = trace_end();
	cu_pfns(pool.area, pool.pages, is);
	for (n = 0; n < 2; n++) {
		moved[n] = pool_moved(&pool, &zones, n, was, is);
		thought[n] = thoughts(&zones, n, pid, text ? text : "",
				      &runs[n]);
	}
	free(text);
	demand_unmap(&easy);
	for (n = 0; n < 2; n++)
		ksft_print_msg("%s: node %d thought of %zu times, %zu runs, %zu pages moved\n",
			       how, n, thought[n], runs[n], moved[n]);
	ksft_test_result(pid > 0 && runs[1] && moved[1] &&
			 got.huge * 100 >= nr * opt.share,
			 "%s: %zu huge pages of %zu wanted\n", how, got.huge,
			 nr);
	/* What is moved there all the same may be kcompactd's work. */
	ksft_test_result(pid > 0 && !thought[0] && got.here == nr,
			 "%s: the other node is left alone, and gives %zu pages\n",
			 how, nr - got.here);
}

static void test_both(void)
{
	__u64 *was = calloc(2 * pool.pages, sizeof(*was));
	__u64 *is = was + pool.pages;

	if (!was)
		ksft_exit_fail_msg("no memory\n");
	test_bound("a policy", bind_by_policy, was, is);
	test_bound("a cpuset", bind_by_cpuset, was, is);
	rmdir(MY_CGROUP);
	free(was);
}

static void parse(int argc, char **argv)
{
	static const struct option longopt[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "share", required_argument, NULL, 'S' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopt, NULL)) != -1) {
		if (c == 's')
			opt.seed = cu_number(optarg, ~0UL);
		else if (c == 'S')
			opt.share = cu_number(optarg, 100);
		else
			optind = argc + 1;
	}
	if (optind != argc) {
		fprintf(stderr, "compact_bound [--seed N] [--share PERCENT]\n");
		exit(KSFT_FAIL);
	}
}

int main(int argc, char **argv)
{
	const char *why;

	cu_init();
	parse(argc, argv);
	ksft_print_header();
	why = scene_set("madvise");
	if (!why && access(NODES "node1/meminfo", R_OK))
		why = "there is one node";
	if (!why && access(CGROUP "cgroup.controllers", R_OK))
		why = "no cgroup v2";
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(4);

	if (pool_make(&pool, opt.seed))
		ksft_exit_fail_msg("no memory\n");
	test_both();
	ksft_finished();
}
