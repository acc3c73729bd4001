// SPDX-License-Identifier: GPL-2.0
/*
 * Merged pages (KSM) that move: by compaction, and as their memory goes offline.
 *
 * What it proves:
 *  - processes that fork, exit, unmap, remap, write and unmerge while the pages
 *    that they share are moved under them all read what they should, none of them
 *    hangs, and at rest the counters of KSM are what the page tables say;
 *  - merged pages on memory that goes offline keep their contents, their sharers
 *    and their place in the stable tree, also those that forks map, those in
 *    chains, and with a tree for each node: pages with the same contents that come
 *    later are merged into the same ones;
 *  - ksmd goes on while memory is going offline, and finds the pages of forks that
 *    nobody else knows of; if it fails, it fails in time, and all is as it was;
 *  - what the stable tree knows of pages that are gone goes with their memory.
 *
 * What makes it fail: a stable node that is left behind when its page moves or
 * stays when its memory goes; a page table that migration does not find, or finds
 * too late; ksmd waiting for memory that waits for ksmd.
 *
 * Needs a node with nothing but memory that can go offline, as compact_doors.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_merge.h"
#include "compact_pressure.h"
#include "compact_race.h"
#include "compact_scene.h"
#include "compact_workers.h"

#define NODE		1
#define AREA_PAGES	1024
#define MAX_SHARING	256	/* what KSM begins with */
#define MOVING_MS	6000
#define PAGES_TO_SCAN	2000
#define CYCLES		3

static unsigned long rounds = 1;
/* Keeps ksmd busy when nobody else is there whose pages it could look at. */
static char *anchor;

/* What wakes whoever waits for a page on its way, and what holds it up. */
static void delay_some(void)
{
	if (!race_there())
		return;
	race_delay("remove_migration_pte", 300, 3);
	race_delay("rmap_walk_ksm", 200, 3);
	race_delay("folio_migrate_ksm", 200, 2);
	race_delay("get_ksm_page", 100, 5);
}

/* The same contents in this process, by which it sees where the pages are. */
static size_t watch_for(const char *area, long ms)
{
	static __u64 was[CONTENTS], is[CONTENTS];
	long end = cu_now_ms() + ms;
	size_t moved = 0, i;

	cu_pfns(area, CONTENTS, was);
	while (cu_now_ms() < end) {
		cu_sleep_ms(100);
		cu_pfns(area, CONTENTS, is);
		for (i = 0; i < CONTENTS; i++)
			moved += was[i] && is[i] && was[i] != is[i];
		memcpy(was, is, sizeof(was));
	}
	return moved;
}

static void bring_to(int to, pid_t pid, char *area)
{
	static void *page[CONTENTS];
	static int node[CONTENTS], status[CONTENTS];
	int i;

	for (i = 0; i < CONTENTS; i++) {
		page[i] = area + i * cu_psize;
		node[i] = to;
	}
	syscall(SYS_move_pages, pid, CONTENTS, page, node, status,
		MPOL_MF_MOVE_ALL);
}

/* From node to node, so that they do not stay where compaction has put them. */
static pid_t start_stirring(char *area)
{
	pid_t pid = fork();
	int to;

	if (pid < 0)
		ksft_exit_fail_msg("no child\n");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (to = 0; ; to = !to) {
		bring_to(to, getppid(), area);
		cu_sleep_ms(50);
	}
}

static size_t move_by_compaction(char *area)
{
	struct pressure pressure = {
		.churn_percent = 30,
		.seed = merge_seed,
	};
	pid_t pid = start_stirring(area);
	size_t moved;

	if (pressure_begin(&pressure, PRESS_ALL & ~PRESS_CMA))
		ksft_exit_fail_msg("no children\n");
	moved = watch_for(area, MOVING_MS);
	pressure_end(&pressure);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return moved;
}

static size_t move_by_offline(char *area)
{
	size_t gone = 0, moved = 0, there, left;
	int i;

	for (i = 0; i < CYCLES; i++) {
		bring_to(NODE, getpid(), area);
		there = pages_in_blocks(area, CONTENTS);
		gone += all_offline();
		left = pages_in_blocks(area, CONTENTS);
		moved += there > left ? there - left : 0;
		all_online();
	}
	ksft_print_msg("offline %zu times of %d, %zu pages moved\n", gone, CYCLES,
		       moved);
	return gone == CYCLES ? moved : 0;
}

static void test_moving(const char *name, size_t (*move)(char *area))
{
	struct shared *shared = mmap(NULL, cu_psize, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *area = map_on(NODE, CONTENTS);
	pid_t pid[NR_WORKERS];
	int hang, died;
	bool agree;
	size_t moved;

	fill_area(area, CONTENTS, CONTENTS);
	ksm_write("run", 1);
	start_workers(shared, pid);
	wait_scans(2);
	delay_some();
	moved = move(area);
	race_clear();
	hang = rest_workers(shared);
	agree = counts_agree();
	died = end_workers(shared, pid);
	ksft_test_result(moved && !shared->bad && !died &&
			 !bad_area(area, CONTENTS, CONTENTS),
			 "%s: contents are right after %zu forks, %zu writes, %zu remaps (%zu moves seen)\n",
			 name, shared->forks, shared->writes, shared->moves,
			 moved);
	ksft_test_result(!hang && shared->longest < LONG_MS / 3,
			 "%s: nobody hangs, the longest access took %ld ms\n",
			 name, shared->longest);
	ksft_test_result(agree, "%s: the counters are what is mapped\n", name);
	cu_unmap(area, CONTENTS);
	ksft_test_result(all_gone(), "%s: no page is shared by nobody\n", name);
	munmap(shared, cu_psize);
}

/* Forks that map the same pages, and say whether they read what they should. */

#define MAX_FORKS	2

struct fork {
	pid_t pid[MAX_FORKS];
	int nr;
};

static void hold(const char *area, size_t contents)
{
	sigset_t set;
	int sig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &sig);
	_exit(bad_area(area, AREA_PAGES, contents) != 0);
}

static void start_forks(struct fork *f, int nr, char *area, size_t contents)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	madvise(area, AREA_PAGES * cu_psize, MADV_DOFORK);
	for (f->nr = 0; f->nr < nr; f->nr++) {
		f->pid[f->nr] = fork();
		if (f->pid[f->nr] < 0)
			ksft_exit_fail_msg("no child\n");
		if (!f->pid[f->nr])
			hold(area, contents);
	}
	/* Those who put memory offline are children as well. */
	madvise(area, AREA_PAGES * cu_psize, MADV_DONTFORK);
}

static int end_forks(struct fork *f)
{
	int status, bad = 0;

	while (f->nr) {
		pid_t pid = f->pid[--f->nr];

		kill(pid, SIGUSR1);
		if (cu_wait_ms(pid, &status, LONG_MS) != pid || status)
			bad++;
	}
	return bad;
}

/* Merged pages whose memory goes offline. */

static const struct scene {
	const char *name;
	int across;		/* merge_across_nodes */
	int max_sharing;
	size_t contents;
	int forks;
	bool running;		/* ksmd, while memory goes offline */
} scenes[] = {
	{ "one tree", 1, MAX_SHARING, 128, 0, true },
	{ "forks", 1, MAX_SHARING, 128, MAX_FORKS, false },
	{ "forks and ksmd", 1, MAX_SHARING, 128, MAX_FORKS, true },
	{ "chains", 1, 4, 64, 0, false },
	{ "a tree for each node", 0, MAX_SHARING, 128, 0, true },
};

static char *merge_on(int node, const struct scene *s, long others)
{
	char *area = map_on(node, AREA_PAGES);

	fill_area(area, AREA_PAGES, s->contents);
	wait_merged(others + AREA_PAGES);
	return area;
}

static void begin_scene(const struct scene *s)
{
	if (ksm_write("merge_across_nodes", s->across) ||
	    ksm_write("max_page_sharing", s->max_sharing))
		ksft_print_msg("%s: KSM does not take the knobs\n", s->name);
}

static void end_scene(const struct scene *s)
{
	ksft_test_result(all_gone(), "%s: no page is shared by nobody\n",
			 s->name);
	ksm_write("merge_across_nodes", 1);
	ksm_write("max_page_sharing", MAX_SHARING);
}

/* Forks have rmap_items of their own once ksmd has been there. */
static void settle(const struct scene *s, int forks)
{
	if (!s->running) {
		ksm_write("run", 0);
		return;
	}
	wait_merged((1 + forks) * AREA_PAGES);
	wait_scans(1);
}

/* Later pages of the same contents go where the first are, on whatever node. */
static void test_same(const struct scene *s, const char *area)
{
	long shared = ksm_read("pages_shared");
	size_t apart, bad;
	char *later;

	wait_merged((1 + s->forks) * AREA_PAGES);
	/* With a tree for each node, what has changed node has to change tree. */
	wait_scans(3);
	later = merge_on(s->across ? NODE : 0, s, (1 + s->forks) * AREA_PAGES);
	ksm_write("run", 0);
	apart = pages_apart(area, later, AREA_PAGES);
	bad = bad_area(later, AREA_PAGES, s->contents);
	ksft_print_msg("%s: %ld pages were shared, now %ld are\n", s->name,
		       shared, ksm_read("pages_shared"));
	ksft_test_result(!apart && !bad && ksm_read("pages_shared") == shared,
			 "%s: later pages are merged into the same ones (%zu not)\n",
			 s->name, apart);
	cu_unmap(later, AREA_PAGES);
}

struct counts {
	long shared;
	long sharing;
};

static struct counts read_counts(void)
{
	return (struct counts){
		ksm_read("pages_shared"), ksm_read("pages_sharing")
	};
}

static bool same_counts(struct counts a)
{
	struct counts b = read_counts();

	if (a.shared != b.shared || a.sharing != b.sharing)
		ksft_print_msg("%ld pages shared by %ld, were %ld by %ld\n",
			       b.shared, b.sharing, a.shared, a.sharing);
	return a.shared == b.shared && a.sharing == b.sharing;
}

static void test_scene(const struct scene *s)
{
	struct fork forks = { .nr = 0 };
	struct counts counts;
	size_t before, left;
	char *area;
	bool right;

	begin_scene(s);
	area = merge_on(NODE, s, 0);
	if (!s->running)
		ksm_write("run", 0);
	start_forks(&forks, s->forks, area, s->contents);
	settle(s, s->forks);
	before = pages_in_blocks(area, AREA_PAGES);
	counts = read_counts();
	right = all_offline();
	settle(s, s->forks);
	left = pages_in_blocks(area, AREA_PAGES);
	right &= same_counts(counts);
	right &= !bad_area(area, AREA_PAGES, s->contents);
	right &= all_online();
	ksft_test_result(right && before == AREA_PAGES && !left,
			 "%s: %ld pages shared by %ld more go away from %zu places, %zu stay\n",
			 s->name, counts.shared, counts.sharing, before, left);
	if (s->max_sharing == MAX_SHARING)
		test_same(s, area);
	ksft_test_result(!end_forks(&forks) &&
			 !bad_area(area, AREA_PAGES, s->contents),
			 "%s: contents are right\n", s->name);
	cu_unmap(area, AREA_PAGES);
	end_scene(s);
}

/* A page in a pipe stays where it is, and its memory with it. */

struct pin {
	char *page;
	int pipe[2];
	int block;
};

static void pin_page(struct pin *pin)
{
	struct iovec iov;
	__u64 pfn;

	pin->page = map_on(NODE, 1);
	cu_page_fill(pin->page, merge_seed, CONTENTS);
	iov.iov_base = pin->page;
	iov.iov_len = cu_psize;
	if (pipe2(pin->pipe, O_CLOEXEC) || cu_pfns(pin->page, 1, &pfn) ||
	    vmsplice(pin->pipe[1], &iov, 1, 0) != (ssize_t)cu_psize)
		ksft_exit_fail_msg("cannot put a page into a pipe\n");
	pin->block = block_of(pfn);
}

static void unpin_page(struct pin *pin)
{
	close(pin->pipe[0]);
	close(pin->pipe[1]);
	cu_unmap(pin->page, 1);
}

/* Takes half of the pages back while memory is on its way. */
static bool unmerge_meanwhile(char *area, size_t contents)
{
	long begin = cu_now_ms();
	bool right;

	madvise(area, AREA_PAGES / 2 * cu_psize, MADV_UNMERGEABLE);
	right = !bad_area(area, AREA_PAGES, contents);
	return right && cu_now_ms() - begin < LONG_MS / 3;
}

static void test_failing(void)
{
	const struct scene *s = &scenes[0];
	char *area = merge_on(NODE, s, 0);
	struct free_audit audit;
	struct counts counts;
	struct pin pin;
	bool on, right;
	long begin, took;
	pid_t pid;
	int err;

	pin_page(&pin);
	counts = read_counts();
	pid = start_offline(pin.block);
	on = wait_gone_from(pin.block, area, AREA_PAGES);
	on &= wait_scans(2) && same_counts(counts);
	right = unmerge_meanwhile(area, s->contents);
	on &= wait_scans(1) && waitpid(pid, NULL, WNOHANG) == 0;
	begin = cu_now_ms();
	kill(pid, SIGALRM);
	err = end_offline(pid, OFFLINE_MS);
	took = cu_now_ms() - begin;
	ksft_test_result(on && err == EINTR,
			 "failing: ksmd goes on while memory is going offline\n");
	right &= wait_scans(2);
	right &= is_online(pin.block);
	right &= !bad_area(area, AREA_PAGES, s->contents);
	if (!free_audit(&audit))
		right &= !audit.unequal && !audit.misplaced && !audit.bad;
	madvise(area, AREA_PAGES * cu_psize, MADV_MERGEABLE);
	right &= wait_merged(AREA_PAGES) && same_counts(counts);
	ksft_test_result(right && took < OFFLINE_MS / 2,
			 "failing: all is as it was, %ld ms after %s\n", took,
			 err < 0 ? "never" : strerror(err));
	unpin_page(&pin);
	right = all_offline() && !pages_in_blocks(area, AREA_PAGES);
	all_online();
	ksft_test_result(right && same_counts(counts),
			 "failing: without the page that was in the way it goes\n");
	cu_unmap(area, AREA_PAGES);
	end_scene(s);
}

/*
 * Has ksmd forget the owners that have gone, but not find many of the others: it has
 * stopped after a whole scan, as there are less than PAGES_TO_SCAN pages, and what is
 * new comes last.
 */
static void forget_owners(void)
{
	long end = cu_now_ms() + LONG_MS;

	ksm_write("pages_to_scan", 1);
	ksm_write("run", 1);
	while (merged() > CONTENTS && cu_now_ms() < end)
		cu_sleep_ms(2);
	ksm_write("run", 0);
	ksm_write("pages_to_scan", PAGES_TO_SCAN);
}

/*
 * A fork's pages have no rmap_item until ksmd has been there. When those of all others
 * have gone no walk finds them: their memory cannot go before ksmd has its turn.
 */
static void test_orphans(const struct scene *s)
{
	char *area = merge_on(NODE, s, 0);
	struct fork forks = { .nr = 0 };
	long frames, mapped = 0, known;
	int status;
	pid_t pid;

	ksm_write("run", 0);
	start_forks(&forks, 1, area, s->contents);
	cu_unmap(area, AREA_PAGES);
	forget_owners();
	read_mapped(&frames, &mapped);
	known = merged();
	pid = cu_fork();
	if (!pid)
		_exit(!all_offline());
	cu_sleep_ms(1000);
	ksm_write("run", 1);
	ksft_test_result(waitpid(pid, &status, 0) == pid && !status &&
			 known < mapped,
			 "orphans: memory goes with pages of which %ld places of %ld were known\n",
			 known, mapped);
	all_online();
	ksft_test_result(wait_merged(AREA_PAGES) && !end_forks(&forks),
			 "orphans: then all places are known, and contents are right\n");
	end_scene(s);
}

/*
 * The owners are gone and ksmd has not looked: what the tree knows is of pages that
 * have been freed, and goes with their memory.
 */
static void test_pruned(const struct scene *s)
{
	struct counts before, stale;
	bool gone;
	char *area;

	begin_scene(s);
	area = merge_on(NODE, s, 0);
	ksm_write("run", 0);
	before = read_counts();
	cu_unmap(area, AREA_PAGES);
	stale = read_counts();
	gone = all_offline();
	ksft_test_result(before.shared && before.shared == stale.shared && gone &&
			 !merged(),
			 "pruned, %s: of %ld pages that were shared and have gone %ld are left\n",
			 s->name, stale.shared, ksm_read("pages_shared"));
	all_online();
	ksm_write("run", 1);
	wait_scans(3);
	area = merge_on(NODE, s, 0);
	ksft_test_result(!bad_area(area, AREA_PAGES, s->contents) &&
			 ksm_read("pages_shared") >= (long)s->contents,
			 "pruned, %s: the tree goes on\n", s->name);
	cu_unmap(area, AREA_PAGES);
	end_scene(s);
}

static const char *prepare(void)
{
	const char *why = scene_set("madvise");

	if (why)
		return why;
	if (access(KSM "merge_across_nodes", W_OK))
		return "no KSM for several nodes";
	if (knob_set(KSM "run", "2") || knob_set(KSM "run", "0") ||
	    ksm_write("pages_to_scan", PAGES_TO_SCAN) ||
	    knob_set(KSM "sleep_millisecs", "2"))
		return "KSM does not take its knobs";
	anchor = cu_map(1);
	if (!anchor)
		return "no memory";
	cu_page_fill(anchor, ~merge_seed, 0);
	madvise(anchor, cu_psize, MADV_MERGEABLE);
	return NULL;
}

static void test_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		test_scene(&scenes[i]);
	test_failing();
	test_orphans(&scenes[0]);
	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		if (!scenes[i].forks)
			test_pruned(&scenes[i]);
	test_moving("compaction", move_by_compaction);
	test_moving("offline", move_by_offline);
}

/* What test_all() comes to. */
static int nr_results(void)
{
	int nr = 2 * 4 + 4 + 3;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		nr += 3 + (scenes[i].max_sharing == MAX_SHARING) +
		      (scenes[i].forks ? 0 : 3);
	return nr;
}

static const struct cu_option options[] = {
	{ "rounds", "N", &rounds, 0, 1000 },
	{ }
};

int main(int argc, char **argv)
{
	unsigned long round;
	const char *why;

	cu_init();
	cu_parse(argc, argv, &merge_seed, options);
	ksft_print_header();
	why = prepare();
	if (why)
		ksft_exit_skip("%s\n", why);
	find_blocks();
	ksft_set_plan(rounds * nr_results());
	ksft_print_msg("seed %llu, %d blocks of memory on node %d\n", merge_seed,
		       nr_blocks, NODE);
	for (round = 0; round < rounds; round++)
		test_all();
	ksft_finished();
}
