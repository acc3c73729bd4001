// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks that are bound to a node, and compact for huge pages.
 *
 * Of a machine with two nodes memory is full of holes, and all huge pages that
 * were left are taken. A task on a CPU of node 0 that may only have memory of
 * node 1, by its policy or by its cpuset, wants huge pages.
 *
 * What it proves: the task gets huge pages of node 1, which it has to make there;
 * and node 0 is neither compacted by it nor gives it a page. A task that is not bound
 * makes huge pages on its own node, a quarter of them at least, although the other one
 * has some. And the kernel's own demand does not go to ZONE_MOVABLE.
 *
 * What makes it fail: compaction of zones that the allocation may not use, also
 * where that is only asked (a huge page that is free there would be taken for
 * success); a page captured there; a first attempt that does without compaction.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"
#include "compact_race.h"

#define CGROUP		"/sys/fs/cgroup/"
#define MY_CGROUP	CGROUP "compact_bound/"
/* The kernel's own demand, see lab/module. */
#define SMALL		"/sys/kernel/debug/alloc_small"
#define SMALL_ORDER	3
#define NR_SMALL	2000
/* Of huge pages, on the other node. */
#define MIN_FREE_HUGE	20

static struct {
	__u64 seed;
	unsigned long share;	/* of huge pages that must be had, per cent */
} opt = { .seed = 1, .share = 90 };

static struct pool pool;
static struct demand easy;

static int not_bound(void)
{
	return 0;
}

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

/* Of one zone: how often has a task thought of it, and how many of these were runs? */
struct thoughts {
	size_t all;
	size_t runs;
};

/* Runs are known by where they begin; the others name node and zone. */
static int zone_of_event(const struct cu_zones *zones, const struct event *event)
{
	const struct cu_zone *zone;
	int i;

	if (!strcmp(event->name, watched[0])) {
		zone = zone_of(zones, trace_number(event, "zone_start"));
		return zone ? zone - zones->zone : -1;
	}
	for (i = 0; i < zones->nr; i++)
		if (zones->zone[i].node == trace_number(event, "node") &&
		    trace_is(event, "zone", zones->zone[i].name))
			return i;
	return -1;
}

static void read_thoughts(const struct cu_zones *zones, int pid,
			  const char *text, struct thoughts *thoughts)
{
	struct event event;
	int i;

	memset(thoughts, 0, CU_MAX_ZONES * sizeof(*thoughts));
	while (text && trace_next(&text, &event)) {
		i = event.pid == pid ? zone_of_event(zones, &event) : -1;
		if (i < 0)
			continue;
		thoughts[i].all++;
		thoughts[i].runs += !strcmp(event.name, watched[0]);
	}
}

static struct thoughts thoughts_of_node(const struct cu_zones *zones, int node,
					const struct thoughts *thoughts)
{
	struct thoughts sum = { 0 };
	int i;

	for (i = 0; i < zones->nr; i++) {
		if (zones->zone[i].node != node)
			continue;
		sum.all += thoughts[i].all;
		sum.runs += thoughts[i].runs;
	}
	return sum;
}

/* How a task is bound, and the node from which it is to have what it wants. */
struct binding {
	const char *how;
	int (*bind)(void);
	int node;
};

/* What it has got: huge pages, and those that are from there. */
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
static void bound_child(const struct binding *binding, struct demand *want,
			int out)
{
	struct got got;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	/* What comes before the binding may be had from anywhere. */
	if (sched_setaffinity(0, sizeof(cpus), &cpus) || binding->bind() ||
	    trace_begin())
		_exit(1);
	demand_fault(want, 0, want->nr);
	got.huge = huge_there();
	got.here = demand_on_node(want, binding->node);
	_exit(write(out, &got, sizeof(got)) != sizeof(got));
}

static pid_t run_bound(const struct binding *binding, size_t nr,
		       struct got *got)
{
	struct demand want;
	int out[2], status;
	pid_t pid;

	if (pipe(out) || demand_map(&want, nr))
		ksft_exit_fail_msg("no memory\n");
	pid = cu_fork();
	if (!pid)
		bound_child(binding, &want, out[1]);
	if (waitpid(pid, &status, 0) != pid || status ||
	    read(out[0], got, sizeof(*got)) != sizeof(*got))
		pid = -1;
	close(out[0]);
	close(out[1]);
	demand_unmap(&want);
	return pid;
}

/* What a task did on each node while it got what it wants. */
struct deed {
	struct got got;
	struct thoughts thoughts[2];
	size_t moved[2];
};

/* What is moved where it has no business may be kcompactd's work. */
static void watch_bound(const struct binding *binding, size_t nr,
			struct deed *deed)
{
	static __u64 *was, *is;
	static struct thoughts thoughts[CU_MAX_ZONES];
	static struct cu_zones zones;
	char *text;
	pid_t pid;
	int n;

	was = was ?: calloc(pool.pages, sizeof(*was));
	is = is ?: calloc(pool.pages, sizeof(*is));
	if (!was || !is || cu_read_zones(&zones) ||
	    cu_pfns(pool.area, pool.pages, was) ||
	    trace_watch(watched, ARRAY_SIZE(watched)))
		ksft_exit_fail_msg("cannot watch what is moved\n");
	pid = run_bound(binding, nr, &deed->got);
	text = trace_end();
	if (pid < 0 || !text)
		ksft_exit_fail_msg("cannot see what has been done\n");
	cu_pfns(pool.area, pool.pages, is);
	read_thoughts(&zones, pid, text, thoughts);
	free(text);
	for (n = 0; n < 2; n++) {
		deed->moved[n] = pool_moved(&pool, &zones, n, was, is);
		deed->thoughts[n] = thoughts_of_node(&zones, n, thoughts);
		ksft_print_msg("%s: node %d thought of %zu times, %zu runs, %zu pages moved\n",
			       binding->how, n, deed->thoughts[n].all,
			       deed->thoughts[n].runs, deed->moved[n]);
	}
}

static void all_in_pieces(void)
{
	pool_scatter(&pool);
	if (demand_easy(&easy, "madvise"))
		ksft_exit_fail_msg("no memory\n");
	forget_failures();
}

static bool enough(const struct deed *deed, int node, size_t nr)
{
	return deed->thoughts[node].runs && deed->moved[node] &&
	       deed->got.huge * 100 >= nr * opt.share;
}

static void test_bound(const struct binding *binding)
{
	struct deed deed;
	size_t nr;

	all_in_pieces();
	/* of two nodes that are alike */
	nr = demand_fair() / 2;
	watch_bound(binding, nr, &deed);
	demand_unmap(&easy);
	ksft_test_result(enough(&deed, 1, nr),
			 "%s: %zu huge pages of %zu wanted\n", binding->how,
			 deed.got.huge, nr);
	ksft_test_result(!deed.thoughts[0].all && deed.got.here == nr,
			 "%s: the other node is left alone, and gives %zu pages\n",
			 binding->how, nr - deed.got.here);
}

static size_t huge_free_on(int node)
{
	static struct cu_zones zones;
	unsigned int order = cu_huge_order();

	cu_read_zones(&zones);
	return cu_node_pages(&zones, node, order) >> order;
}

/*
 * A fault first tries its own node, which takes work, and then those that have some. As
 * the first attempt waits for nobody it does not always come to an end.
 */
static void test_unbound(void)
{
	const struct binding unbound = { "not bound", not_bound, 0 };
	struct deed deed;
	size_t nr;

	all_in_pieces();
	cu_write_text(NODES "node1/compact", "1");
	nr = huge_free_on(1) / 2;
	if (nr < MIN_FREE_HUGE)
		ksft_exit_fail_msg("node 1 cannot be compacted\n");
	watch_bound(&unbound, nr, &deed);
	demand_unmap(&easy);
	ksft_test_result(enough(&deed, 0, nr) && deed.got.here * 4 >= nr,
			 "not bound: %zu huge pages of %zu, which node 1 has, %zu of them made on node 0\n",
			 deed.got.huge, nr, deed.got.here);
}

static bool is_movable(const struct cu_zone *zone)
{
	return !strcmp(zone->name, "Movable");
}

/* More of them than there are, in the zones that the kernel may use. */
static size_t small_demand(const struct cu_zones *zones)
{
	size_t pages = 0;
	int i;

	for (i = 0; i < zones->nr; i++)
		if (!is_movable(&zones->zone[i]))
			pages += cu_buddy_pages(&zones->zone[i], SMALL_ORDER);
	return (pages >> SMALL_ORDER) + NR_SMALL;
}

/* The kernel's own pages cannot come from the highest zone. */
static void test_highest_zone(void)
{
	static struct thoughts thoughts[CU_MAX_ZONES];
	static struct cu_zones zones;
	size_t movable = 0, runs = 0, nr;
	bool there = false;
	char *text;
	int err, i;

	pool_scatter(&pool);
	if (cu_read_zones(&zones) ||
	    trace_watch(watched, ARRAY_SIZE(watched)))
		ksft_exit_fail_msg("cannot watch the zones\n");
	nr = small_demand(&zones);
	err = cu_write_long(SMALL, nr);
	text = trace_end();
	cu_write_long(SMALL, 0);
	read_thoughts(&zones, getpid(), text, thoughts);
	free(text);
	for (i = 0; i < zones.nr; i++) {
		if (is_movable(&zones.zone[i])) {
			there = true;
			movable += thoughts[i].all;
		} else {
			runs += thoughts[i].runs;
		}
	}
	if (!there)
		ksft_test_result_skip("there is no zone above the kernel's\n");
	else
		ksft_test_result(!err && runs && !movable,
				 "%zu pages of order 3 for the kernel: %zu runs in zones that it may use, Movable thought of %zu times\n",
				 nr, runs, movable);
}

static const struct cu_option options[] = {
	{ "share", "PERCENT", &opt.share, 0, 100 },
	{ }
};

int main(int argc, char **argv)
{
	const struct binding by_policy = { "a policy", bind_by_policy, 1 };
	const struct binding by_cpuset = { "a cpuset", bind_by_cpuset, 1 };
	const char *why;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	why = scene_set("madvise");
	if (!why && access(NODES "node1/meminfo", R_OK))
		why = "there is one node";
	if (!why && access(CGROUP "cgroup.controllers", R_OK))
		why = "no cgroup v2";
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(6);

	if (pool_make(&pool, opt.seed))
		ksft_exit_fail_msg("no memory\n");
	test_bound(&by_policy);
	test_bound(&by_cpuset);
	rmdir(MY_CGROUP);
	test_unbound();
	if (race_load(SMALL, "contig.ko"))
		ksft_test_result_skip("the kernel's own demand needs a module of the lab\n");
	else
		test_highest_zone();
	ksft_finished();
}
