// SPDX-License-Identifier: GPL-2.0
/*
 * Compaction asked for in wrong ways and at bad moments.
 *
 * What it proves:
 *  - only root can write to compact_memory, nobody can read it, and whatever
 *    is written counts as a request, as it always has;
 *  - the knobs next to it refuse values out of their range;
 *  - a process killed in the middle of a long run is gone within a second;
 *  - a run ends by itself with nearly all memory mlocked, with next to no free
 *    memory, and with eight writers at once, and no page is damaged.
 *
 * What makes it fail: another file mode; a handler that looks at the text, or
 * compacts although the write is refused; a loop that does not look for a fatal
 * signal, that waits for a page it cannot get, or starts again for ever.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"

#define NOBODY		65534
#define MAX_CHILDREN	64
#define NODE_COMPACT	"/sys/devices/system/node/node0/compact"
/* Free pages above the watermarks that count as none. */
#define FEW_PAGES	256

static struct {
	__u64 seed;
	unsigned long fill;
	unsigned long sharers;
	unsigned long limit;
	unsigned long kill_ms;	/* a killed process has to be gone in this */
} opt = { .seed = 1, .fill = 70, .sharers = 16, .limit = 120,
	  .kill_ms = 1000 };

/* Memory with a pattern in it and, after pool_fragment(), with holes. */
struct pool {
	char *area;
	size_t pages;
	__u8 *kept;
	pid_t sharer[MAX_CHILDREN];
	unsigned int sharers;
};

static struct cu_rng rng;

static struct pool pool_make(unsigned long percent)
{
	struct pool pool = { 0 };

	pool.pages = cu_meminfo("MemAvailable") * percent / 100;
	pool.area = cu_map(pool.pages);
	pool.kept = calloc(1, pool.pages / 8 + 1);
	if (!pool.area || !pool.kept)
		ksft_exit_fail_msg("no memory\n");
	return pool;
}

/* Fills what is missing and makes new holes. */
static void pool_fragment(struct pool *pool, unsigned int keep)
{
	size_t i;

	for (i = 0; i < pool->pages; i++)
		if (!cu_bit(pool->kept, i))
			cu_page_fill(pool->area + i * cu_psize, opt.seed, i);
	cu_free_random(pool->area, pool->pages, keep, &rng, pool->kept);
}

static size_t pool_bad(const struct pool *pool)
{
	size_t bad = 0, i;

	for (i = 0; i < pool->pages; i++)
		if (cu_bit(pool->kept, i))
			bad += !cu_page_ok(pool->area + i * cu_psize, opt.seed,
					   i);
	return bad;
}

/* Children that map the pool too: moving a page then takes longer. */
static void pool_share(struct pool *pool, unsigned int nr)
{
	madvise(pool->area, pool->pages * cu_psize, MADV_DOFORK);
	for (pool->sharers = 0; pool->sharers < nr; pool->sharers++) {
		pid_t pid = fork();

		if (pid < 0)
			ksft_exit_fail_msg("no child\n");
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		pool->sharer[pool->sharers] = pid;
	}
	madvise(pool->area, pool->pages * cu_psize, MADV_DONTFORK);
}

static void pool_unshare(struct pool *pool)
{
	while (pool->sharers) {
		pid_t pid = pool->sharer[--pool->sharers];

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void pool_free(struct pool *pool)
{
	pool_unshare(pool);
	cu_unmap(pool->area, pool->pages);
	free(pool->kept);
}

/* A child that asks for compaction, once or again and again. */
static pid_t start_writer(bool again)
{
	pid_t pid = fork();
	int err;

	if (pid < 0)
		ksft_exit_fail_msg("no child\n");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do {
		err = cu_compact();
	} while (again && !err);
	_exit(!!err);
}

/* Did the child end by itself, in time, and did the write go well? */
static bool ends(pid_t pid)
{
	int status;

	if (cu_wait_ms(pid, &status, opt.limit * 1000) == pid)
		return WIFEXITED(status) && !WEXITSTATUS(status);
	ksft_print_msg("not ended after %lu s\n", opt.limit);
	kill(pid, SIGKILL);
	return false;
}

/* Returns errno of a child without privileges that opens and writes. */
static int as_nobody(int fd)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
			_exit(255);
		if (fd < 0)
			fd = open(CU_COMPACT, O_WRONLY);
		if (fd >= 0 && write(fd, "1", 1) == 1)
			_exit(0);
		_exit(errno);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static int open_error(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void test_permissions(void)
{
	long scanned = cu_vmstat("compact_migrate_scanned");
	int fd = open(CU_COMPACT, O_WRONLY);
	struct stat st;

	ksft_test_result(!stat(CU_COMPACT, &st) && st.st_mode == (S_IFREG | 0200),
			 "the mode of compact_memory is 0200\n");
	ksft_test_result(as_nobody(-1) == EACCES,
			 "a user cannot open compact_memory\n");
	ksft_test_result(fd >= 0 && as_nobody(fd) == EPERM,
			 "a user cannot write to what root has opened\n");
	ksft_test_result(open_error(CU_COMPACT, O_RDONLY) == EACCES &&
			 open_error(CU_COMPACT, O_RDWR) == EACCES,
			 "root cannot open compact_memory to read\n");
	close(fd);
	fd = open(CU_COMPACT, O_WRONLY);
	ksft_test_result(syscall(SYS_write, fd, 0L, 1L) == -1 && errno == EFAULT,
			 "a write from a bad address is refused\n");
	close(fd);
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	ksft_test_result(!scanned, "nothing refused has compacted\n");
}

/* Any write is a request: it returns the whole length, and memory is scanned. */
static void test_write(const char *what, const char *text, size_t len)
{
	long scanned = cu_vmstat("compact_migrate_scanned");
	int ret = cu_write_buf(CU_COMPACT, text, len);

	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	ksft_test_result(ret == (int)len && scanned > 0,
			 "a write of %s compacts (returned %d, scanned %ld)\n",
			 what, ret, scanned);
}

static void test_writes(void)
{
	size_t big = 64 * 1024;
	char *text = malloc(big);

	memset(text, '7', big);
	test_write("nothing", "", 0);
	test_write("0", "0", 1);
	test_write("-1", "-1", 2);
	test_write("text", "abc", 3);
	test_write("a huge number", "99999999999999999999", 20);
	test_write("64 KiB", text, big);
	free(text);
}

static void test_node_file(void)
{
	long scanned = cu_vmstat("compact_migrate_scanned");
	struct stat st;
	int ret;

	if (stat(NODE_COMPACT, &st)) {
		ksft_test_result_skip("no compact file of a node\n");
		return;
	}
	ret = cu_write_buf(NODE_COMPACT, "abc", 3);
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	ksft_test_result(ret == 3 && scanned > 0 &&
			 st.st_mode == (S_IFREG | 0200),
			 "a node's compact file takes any write, mode 0200\n");
}

/* Refuses -1, over and text, and still has its value after that. */
static void test_range(const char *path, long max)
{
	long old = cu_read_long(path);
	bool good;

	if (old < 0) {
		ksft_test_result_skip("no %s\n", strrchr(path, '/') + 1);
		return;
	}
	good = cu_write_long(path, -1) == -EINVAL &&
	       cu_write_long(path, max + 1) == -EINVAL &&
	       cu_write_text(path, "abc") == -EINVAL &&
	       cu_read_long(path) == old;
	good = good && !cu_write_long(path, max) && cu_read_long(path) == max &&
	       !cu_write_long(path, 0) && !cu_read_long(path);
	cu_write_long(path, old);
	ksft_test_result(good, "%s is 0 to %ld\n", strrchr(path, '/') + 1, max);
}

/* Fragments the pool, shares it, and returns the pages moved so far. */
static long prepare_long_run(struct pool *pool)
{
	pool_unshare(pool);
	pool_fragment(pool, 50);
	pool_share(pool, opt.sharers);
	return cu_vmstat("pgmigrate_success");
}

/* Kills writers some time into a long run; returns when they are gone. */
static long kill_writers(unsigned int nr, long after_ms)
{
	pid_t pid[MAX_CHILDREN];
	unsigned int i;
	long ms;

	for (i = 0; i < nr; i++)
		pid[i] = start_writer(true);
	cu_sleep_ms(after_ms);
	ms = cu_now_ms();
	for (i = 0; i < nr; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < nr; i++)
		waitpid(pid[i], NULL, 0);
	return cu_now_ms() - ms;
}

/*
 * The time alone says nothing on a machine so fast that the whole run takes
 * less, so the pages moved have to be much fewer than in a run left alone.
 */
static void test_kill(struct pool *pool)
{
	static const unsigned int writers[] = { 1, 4 };
	long whole_ms, whole, moved, ms;
	bool ended;
	size_t i;

	whole = prepare_long_run(pool);
	whole_ms = cu_now_ms();
	ended = ends(start_writer(false));
	whole_ms = cu_now_ms() - whole_ms;
	whole = cu_vmstat("pgmigrate_success") - whole;
	ksft_print_msg("a long run takes %ld ms and moves %ld pages\n",
		       whole_ms, whole);
	for (i = 0; i < ARRAY_SIZE(writers); i++) {
		moved = prepare_long_run(pool);
		ms = kill_writers(writers[i], whole_ms / 8);
		moved = cu_vmstat("pgmigrate_success") - moved;
		ksft_test_result(ended && ms <= (long)opt.kill_ms &&
				 moved > 0 && moved < whole / 2,
				 "%u writers killed are gone after %ld ms (%ld pages moved)\n",
				 writers[i], ms, moved);
	}
	pool_unshare(pool);
}

static void test_eight_writers(struct pool *pool)
{
	bool ended = true;
	pid_t pid[8];
	long moved, ms;
	size_t bad, i;

	pool_fragment(pool, 50);
	moved = cu_vmstat("pgmigrate_success");
	ms = cu_now_ms();
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = start_writer(false);
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		ended = ends(pid[i]) && ended;
	ms = cu_now_ms() - ms;
	moved = cu_vmstat("pgmigrate_success") - moved;
	bad = pool_bad(pool);
	ksft_test_result(ended && moved > (long)pool->pages / 100 && !bad,
			 "eight writers end after %ld ms (%ld moved, %zu bad)\n",
			 ms, moved, bad);
}

static void mlocked_run(struct pool *pool, long allowed)
{
	long moved, scanned, ms;
	bool ended, as_allowed;
	size_t bad;

	cu_write_long(CU_UNEVICTABLE, allowed);
	moved = cu_vmstat("pgmigrate_success");
	scanned = cu_vmstat("compact_migrate_scanned");
	ms = cu_now_ms();
	ended = ends(start_writer(false));
	ms = cu_now_ms() - ms;
	moved = cu_vmstat("pgmigrate_success") - moved;
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	as_allowed = allowed ? moved > (long)pool->pages / 100 :
			       moved < (long)pool->pages / 100;
	bad = pool_bad(pool);
	ksft_test_result(ended && as_allowed && scanned && !bad,
			 "memory mlocked, allowed %ld: ends after %ld ms (%ld scanned, %ld moved, %zu bad)\n",
			 allowed, ms, scanned, moved, bad);
}

static void test_mlocked(void)
{
	long old = cu_read_long(CU_UNEVICTABLE);
	struct pool pool = pool_make(85);

	pool_fragment(&pool, 80);
	/* On fault, or the holes would be filled. */
	if (mlockall(MCL_CURRENT | MCL_ONFAULT))
		ksft_print_msg("mlockall failed\n");
	/* First the run that must leave something to do for the second. */
	mlocked_run(&pool, 0);
	mlocked_run(&pool, 1);
	munlockall();
	pool_free(&pool);
	cu_write_long(CU_UNEVICTABLE, old);
}

/* Pages that can be had before any zone is at its min watermark. */
static long pages_to_have(void)
{
	static struct cu_zones zones;
	long have = 0;
	int i;

	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	if (cu_read_zones(&zones))
		return 0;
	for (i = 0; i < zones.nr; i++) {
		struct cu_zone *zone = &zones.zone[i];
		long spare = zone->free - zone->min - zone->reserve;

		if (spare > FEW_PAGES / 2)
			have += spare - FEW_PAGES / 2;
	}
	return have;
}

static void fill_up(struct pool *pool)
{
	size_t at = 0, end;
	long have;

	/* Half of what is left at a time, as page tables take some too. */
	while ((have = pages_to_have()) > FEW_PAGES / 2) {
		for (end = at + have / 2 + 1; at < end; at++) {
			if (at == pool->pages)
				return;
			cu_page_fill(pool->area + at * cu_psize, opt.seed, at);
			cu_set_bit(pool->kept, at, true);
		}
	}
}

struct none_free {
	long ms;
	long have;
	size_t bad;
	bool ended;
};

/* In a child, which the OOM killer takes rather than us. */
static void none_free_child(int out)
{
	struct pool pool = pool_make(110);
	struct none_free res;
	int gate[2];
	pid_t pid;
	char c;

	/* The writer is there first: fork() needs memory. */
	if (pipe(gate))
		_exit(1);
	pid = fork();
	if (!pid) {
		/* or nobody would see that the filler is gone */
		close(gate[1]);
		close(out);
		if (read(gate[0], &c, 1) != 1)
			_exit(1);
		_exit(!!cu_compact());
	}
	cu_write_long("/proc/self/oom_score_adj", 1000);
	fill_up(&pool);
	res.have = pages_to_have();
	res.ms = cu_now_ms();
	res.ended = write(gate[1], "", 1) == 1 && ends(pid);
	res.ms = cu_now_ms() - res.ms;
	res.bad = pool_bad(&pool);
	_exit(write(out, &res, sizeof(res)) != sizeof(res));
}

static void test_none_free(void)
{
	struct none_free res = { .ended = false };
	long scanned = cu_vmstat("compact_migrate_scanned");
	int out[2];
	pid_t pid;

	if (pipe(out))
		ksft_exit_fail_msg("no pipe\n");
	cu_write_long("/proc/self/oom_score_adj", -1000);
	pid = fork();
	if (!pid)
		none_free_child(out[1]);
	close(out[1]);
	if (read(out[0], &res, sizeof(res)) != sizeof(res))
		ksft_print_msg("the child that fills memory is gone\n");
	close(out[0]);
	waitpid(pid, NULL, 0);
	cu_write_long("/proc/self/oom_score_adj", 0);
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	ksft_test_result(res.ended && !res.bad && res.have <= FEW_PAGES &&
			 scanned,
			 "no memory free (%ld pages): ends after %ld ms (%ld scanned, %zu bad)\n",
			 res.have, res.ms, scanned, res.bad);
}

static const struct cu_option options[] = {
	{ "fill", "PERCENT", &opt.fill, 0, 80 },
	{ "sharers", "N", &opt.sharers, 0, MAX_CHILDREN },
	{ "limit", "SECONDS", &opt.limit, 0, 86400 },
	{ "kill-ms", "MS", &opt.kill_ms, 0, 86400000 },
	{ }
};

static void test_refusals(void)
{
	/* So that there is something to scan. */
	struct pool pool = pool_make(5);

	pool_fragment(&pool, 50);
	test_permissions();
	test_writes();
	test_node_file();
	test_range(CU_PROACTIVE, 100);
	test_range(CU_UNEVICTABLE, 1);
	test_range(CU_THRESHOLD, 1000);
	pool_free(&pool);
}

int main(int argc, char **argv)
{
	struct pool pool;
	long proactive;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	ksft_set_plan(22);

	cu_rng_seed(&rng, opt.seed);
	proactive = cu_swap_knob(CU_PROACTIVE, 0);
	test_refusals();
	pool = pool_make(opt.fill);
	test_kill(&pool);
	test_eight_writers(&pool);
	pool_free(&pool);
	test_mlocked();
	test_none_free();
	if (proactive >= 0)
		cu_write_long(CU_PROACTIVE, proactive);
	ksft_finished();
}
