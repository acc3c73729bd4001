// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction for a page fault waits for no other CPU.
 *
 * What it proves: pages that wait in another CPU's batches for their LRU list are
 * left there, and a fault that compacts is done while that CPU does nothing else
 * than run a real-time task for seconds.
 *
 * What makes it fail: draining all CPUs in direct compaction, which waits for work
 * to be run on each that has pages in its batches.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"

#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"
/* How long the other CPU is busy, and how long a fault may take meanwhile. */
#define BUSY_MS		6000
#define PATIENCE_MS	2500
#define NR_FAULTS	4
#define BATCH_PAGES	5

static struct pool pool;
static struct demand easy;

static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* Leaves some pages in this CPU's batches and does not let go of it. */
static void keep_busy(int *begun)
{
	struct sched_param param = { .sched_priority = 1 };
	char *area = cu_map(BATCH_PAGES);
	long end;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (run_on(1) || sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	for (i = 0; i < BATCH_PAGES; i++)
		cu_touch(area + i * cu_psize, i);
	__atomic_store_n(begun, 1, __ATOMIC_RELEASE);
	for (end = cu_now_ms() + BUSY_MS; cu_now_ms() < end;)
		;
	_exit(0);
}

static long slowest_fault(void)
{
	struct demand want;
	long longest = 0, ms;
	int i;

	if (demand_map(&want, NR_FAULTS))
		ksft_exit_fail_msg("no address space\n");
	for (i = 0; i < NR_FAULTS; i++) {
		ms = cu_now_ms();
		demand_fault(&want, i, i + 1);
		ms = cu_now_ms() - ms;
		longest = ms > longest ? ms : longest;
	}
	return longest;
}

int main(int argc, char **argv)
{
	const char *why;
	__u64 seed = 1;
	int *begun;
	long stalls, ms;
	int status;
	pid_t pid;

	cu_init();
	cu_parse(argc, argv, &seed, NULL);
	ksft_print_header();
	why = scene_set("always");
	if (why)
		ksft_exit_skip("%s\n", why);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || run_on(0))
		ksft_exit_skip("needs two CPUs\n");
	if (knob_set(RT_RUNTIME, "-1"))
		ksft_exit_skip("real-time tasks cannot have a CPU\n");
	ksft_set_plan(2);
	if (pool_make(&pool, seed))
		ksft_exit_fail_msg("no memory\n");
	pool_scatter(&pool);
	if (demand_easy(&easy, "always"))
		ksft_exit_fail_msg("no memory\n");
	forget_failures();
	begun = mmap(NULL, cu_psize, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	stalls = cu_vmstat("compact_stall");
	pid = cu_fork();
	if (!pid)
		keep_busy(begun);
	while (!__atomic_load_n(begun, __ATOMIC_ACQUIRE))
		;
	ms = slowest_fault();
	ksft_test_result(ms < PATIENCE_MS, "the longest fault took %ld ms\n",
			 ms);
	stalls = cu_vmstat("compact_stall") - stalls;
	waitpid(pid, &status, 0);
	ksft_test_result(stalls > 0 && !status, "%ld faults compacted\n",
			 stalls);
	ksft_finished();
}
