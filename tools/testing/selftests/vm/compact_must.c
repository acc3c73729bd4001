// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel must have: small orders, with the OOM killer as the last way out.
 *
 * What it proves: where memory is in pieces that can be moved, all pages of an order
 * that the OOM killer is called for are had without it, and with __GFP_NOFAIL too.
 * Where nothing can be moved, it is called within a bounded time, and the pages are
 * had then.
 *
 * What makes it fail: an allocation that gives up although compaction could help; one
 * that tries without end where it cannot.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_race.h"

#define DEBUG		"/sys/kernel/debug/"
#define CONTIG		DEBUG "alloc_contig"
#define BOOST		"/proc/sys/vm/watermark_boost_factor"
#define PATIENCE_MS	40000

static __u64 seed = 1;

static const struct must {
	const char *name;
	const char *file;
	unsigned int order;
	unsigned int percent;	/* of free memory: more than is free in such pages */
} musts[] = {
	{ "order 3", DEBUG "alloc_small", 3, 50 },
	{ "order 1, which must not fail", DEBUG "alloc_must", 1, 75 },
};

/* The one that is to be killed has all memory, in pieces that may move or not. */
static void hold_memory(bool nailed, int ready)
{
	struct pool pool;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cu_write_text("/proc/self/oom_score_adj", "1000");
	if (pool_make(&pool, seed))
		_exit(1);
	pool_scatter(&pool);
	if (nailed && mlock2(pool.area, pool.pages * cu_psize, MLOCK_ONFAULT))
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	pause();
	_exit(1);
}

static pid_t holder_begin(bool nailed)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready))
		ksft_exit_fail_msg("no pipe\n");
	pid = cu_fork();
	if (!pid) {
		close(ready[0]);
		hold_memory(nailed, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		ksft_exit_fail_msg("memory cannot be filled\n");
	close(ready[0]);
	return pid;
}

/* Returns 0 or -errno; -ETIME if it does not end. */
static int want(const struct must *must)
{
	long nr = cu_meminfo("MemFree") * must->percent / 100 >> must->order;
	pid_t pid = cu_fork();
	int status;

	if (!pid) {
		cu_write_text("/proc/self/oom_score_adj", "-1000");
		_exit(-cu_write_long(must->file, nr));
	}
	if (cu_wait_ms(pid, &status, PATIENCE_MS) != pid) {
		kill(pid, SIGKILL);
		if (cu_wait_ms(pid, &status, PATIENCE_MS) != pid)
			ksft_exit_fail_msg("an allocation does not end\n");
		return -ETIME;
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static void test_must(const struct must *must, bool nailed)
{
	long kills = cu_vmstat("oom_kill"), stalls = cu_vmstat("compact_stall");
	long ms;
	pid_t holder;
	int err;

	if (nailed && knob_set(CU_UNEVICTABLE, "0"))
		ksft_exit_fail_msg("cannot keep mlocked pages in place\n");
	holder = holder_begin(nailed);
	ms = cu_now_ms();
	err = want(must);
	ms = cu_now_ms() - ms;
	cu_write_long(must->file, 0);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	knob_set(CU_UNEVICTABLE, "1");
	kills = cu_vmstat("oom_kill") - kills;
	stalls = cu_vmstat("compact_stall") - stalls;
	ksft_print_msg("%s: %ld ms, %ld stalls, %ld killed, error %d\n",
		       must->name, ms, stalls, kills, -err);
	ksft_test_result(!err && stalls && kills == nailed, "%s, %s\n", must->name,
			 nailed ? "nothing can be moved: somebody is killed for it" :
				  "it takes compaction, and nobody is killed");
}

int main(int argc, char **argv)
{
	const char *why;
	size_t i;

	cu_init();
	cu_parse(argc, argv, &seed, NULL);
	ksft_print_header();
	why = scene_set("never");
	if (!why && race_load(CONTIG, "contig.ko"))
		why = "needs a module of the lab to allocate as the kernel does";
	if (why)
		ksft_exit_skip("%s\n", why);
	/* or a third of this memory would be out of reach, and somebody killed for that */
	knob_set(BOOST, "0");
	ksft_set_plan(2 * ARRAY_SIZE(musts));
	for (i = 0; i < ARRAY_SIZE(musts); i++) {
		test_must(&musts[i], false);
		test_must(&musts[i], true);
	}
	ksft_finished();
}
