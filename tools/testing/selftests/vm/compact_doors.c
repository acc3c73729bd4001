// SPDX-License-Identifier: GPL-2.0
/*
 * The doors to compaction that an administrator has, and what he sees there.
 *
 * What it proves:
 *  - the knobs are there, for root to write, with the values that they have
 *    always begun with;
 *  - a node's compact file compacts that node and no other;
 *  - each node with memory has a kcompactd, which goes with the node's last
 *    memory and comes back with the first; it runs on the node's CPUs, and comes
 *    back to them after they have been gone;
 *  - extfrag_index and unusable_index say what the numbers in buddyinfo come to.
 *
 * What makes it fail: another default or mode; a loop over all nodes, or over
 * those that have no memory; a daemon that is not stopped, not started, or twice;
 * another formula, format, or zones left out.
 *
 * It has to be the first to use the machine, as the defaults are among the tests.
 * A node all of whose memory can be put offline is one with nothing but a
 * virtio-mem device, whose memory is put online as movable.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"

#define EXTFRAG		"/sys/kernel/debug/extfrag/"
/* Of free memory in huge pages after compaction, per mille. */
#define SHARE		700
/* Looks at buddyinfo until nothing changes between two of them. */
#define RETRIES		200
#define RETRY_MS	10
#define ROUNDS		3

static struct pool pool;

static void test_knob(const char *path, long value)
{
	long is = cu_read_long(path);
	struct stat st = { 0 };

	stat(path, &st);
	ksft_test_result(is == value && st.st_mode == (S_IFREG | 0644),
			 "%s is %ld, mode %o\n", strrchr(path, '/') + 1, is,
			 st.st_mode & 07777);
}

/* There, mlocked pages stay where they are unless somebody asks for it. */
static bool is_realtime(void)
{
	struct utsname kernel;

	return !uname(&kernel) && strstr(kernel.version, "PREEMPT_RT");
}

/* The indices, computed from the numbers of free blocks. */

static int fragmentation(const struct cu_zone *zone, int order)
{
	unsigned long pages = cu_buddy_pages(zone, 0), blocks = 0, part;
	int i;

	if (cu_buddy_pages(zone, order))
		return -1000;
	for (i = 0; i < CU_MAX_ORDERS; i++)
		blocks += zone->blocks[i];
	if (!blocks)
		return 0;
	part = (1000 + (pages * 1000 >> order)) / blocks;
	return part < 1000 ? 1000 - part : 0;
}

static int unusable(const struct cu_zone *zone, int order)
{
	unsigned long pages = cu_buddy_pages(zone, 0);

	if (!pages)
		return 1000;
	return (pages - cu_buddy_pages(zone, order)) * 1000 / pages;
}

/* A file has a line for each zone, with a figure for each order. */
struct index {
	const char *file;
	const char *positive;	/* what stands before a figure */
	int (*value)(const struct cu_zone *zone, int order);
};

static const struct index indices[] = {
	{ "extfrag_index", " ", fragmentation },
	{ "unusable_index", "", unusable },
};

static void expect(const struct index *index, const struct cu_zones *zones,
		   char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");
	int i, order, value;

	for (i = 0; i < zones->nr; i++) {
		const struct cu_zone *zone = &zones->zone[i];

		fprintf(out, "Node %d, zone %8s ", zone->node, zone->name);
		for (order = 0; order < zones->orders; order++) {
			value = index->value(zone, order);
			fprintf(out, "%s%d.%03d ",
				value < 0 ? "-" : index->positive,
				abs(value) / 1000, abs(value) % 1000);
		}
		fprintf(out, "\n");
	}
	fclose(out);
}

static void read_index(const struct index *index, char *text, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), EXTFRAG "%s", index->file);
	fd = open(path, O_RDONLY);
	len = read(fd, text, size - 1);
	text[len > 0 ? len : 0] = '\0';
	close(fd);
}

static bool same_blocks(const struct cu_zones *a, const struct cu_zones *b)
{
	int i;

	for (i = 0; i < a->nr; i++)
		if (memcmp(a->zone[i].blocks, b->zone[i].blocks,
			   sizeof(a->zone[i].blocks)))
			return false;
	return a->nr == b->nr;
}

/* Reads the file while nothing changes. */
static bool look(const struct index *index, struct cu_zones *zones, char *text,
		 size_t size)
{
	static struct cu_zones after;
	int i;

	for (i = 0; i < RETRIES; i++) {
		if (cu_read_zones(zones))
			return false;
		read_index(index, text, size);
		cu_read_zones(&after);
		if (same_blocks(zones, &after))
			return true;
		cu_sleep_ms(RETRY_MS);
	}
	return false;
}

static bool index_is_right(const struct index *index, char *is, size_t size)
{
	static struct cu_zones zones;
	char want[4096] = "";

	if (!look(index, &zones, is, size))
		return false;
	expect(index, &zones, want, sizeof(want));
	if (strcmp(is, want))
		ksft_print_msg("is\n%sshould be\n%s", is, want);
	return !strcmp(is, want);
}

static void test_indices_at_boot(void)
{
	char text[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(indices); i++)
		ksft_test_result(index_is_right(&indices[i], text, sizeof(text)),
				 "%s is what buddyinfo says\n",
				 indices[i].file);
}

/* Where no huge page is free there is more to say than "-1.000". */
static void test_indices_in_pieces(void)
{
	struct demand easy;
	char text[4096];
	size_t i;

	pool_scatter(&pool);
	if (demand_easy(&easy, "madvise"))
		ksft_exit_fail_msg("no memory\n");
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		ksft_test_result(index_is_right(&indices[i], text,
						sizeof(text)) &&
				 strstr(text, "0.9"),
				 "%s is what buddyinfo says of memory in pieces\n",
				 indices[i].file);
	demand_unmap(&easy);
}

/* One node of two. */

/* Of a node's free memory, the part in huge pages, per mille. */
static unsigned long huge_share(int node)
{
	static struct cu_zones zones;
	unsigned long huge, all;

	cu_read_zones(&zones);
	huge = cu_node_pages(&zones, node, cu_huge_order());
	all = cu_node_pages(&zones, node, 0);
	return all ? huge * 1000 / all : 0;
}

static const char *node_file(int node, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), NODES "node%d/%s", node, name);
	return path;
}

static void test_one_node(int node, __u64 *was, __u64 *is)
{
	static struct cu_zones zones;
	unsigned long before[2], after[2];
	size_t moved[2];
	int ret, n;

	pool_scatter(&pool);
	if (cu_read_zones(&zones) || cu_pfns(pool.area, pool.pages, was))
		ksft_exit_fail_msg("cannot see where the pages are\n");
	for (n = 0; n < 2; n++)
		before[n] = huge_share(n);
	ret = cu_write_text(node_file(node, "compact"), "1");
	for (n = 0; n < 2; n++)
		after[n] = huge_share(n);
	cu_pfns(pool.area, pool.pages, is);
	for (n = 0; n < 2; n++)
		moved[n] = pool_moved(&pool, &zones, n, was, is);
	ksft_print_msg("node %d: %lu to %lu permille in huge pages, the other %lu to %lu\n",
		       node, before[node], after[node], before[!node],
		       after[!node]);
	ksft_test_result(!ret && after[node] >= SHARE && moved[node] &&
			 labs((long)(after[!node] - before[!node])) <= 10 &&
			 moved[!node] * 100 < moved[node] && !pool_bad(&pool),
			 "node%d/compact: %zu pages moved there, %zu on the other\n",
			 node, moved[node], moved[!node]);
}

static void test_nodes(void)
{
	__u64 *was, *is;
	struct stat st;
	int node;

	ksft_test_result(!stat(node_file(0, "compact"), &st) &&
			 st.st_mode == (S_IFREG | 0200),
			 "the mode of node0/compact is 0200\n");
	if (access(node_file(1, "compact"), F_OK)) {
		ksft_test_result_skip("there is one node\n");
		ksft_test_result_skip("there is one node\n");
		return;
	}
	was = calloc(2 * pool.pages, sizeof(*was));
	is = was + pool.pages;
	if (!was)
		ksft_exit_fail_msg("no memory\n");
	for (node = 0; node < 2; node++)
		test_one_node(node, was, is);
	free(was);
}

/* kcompactd, and memory that comes and goes. */

static int daemons(int node)
{
	char name[32];
	pid_t pid;

	snprintf(name, sizeof(name), "kcompactd%d", node);
	return tasks_named(name, &pid);
}

static bool has_memory(int node)
{
	unsigned long total;
	char text[64];

	if (knob_read(node_file(node, "meminfo"), text, sizeof(text)))
		return false;
	return sscanf(text, "Node %*d MemTotal: %lu", &total) == 1 && total;
}

static void test_daemons(void)
{
	int node, wrong = 0, nr = 0;

	for (node = 0; node < MAX_NODES; node++) {
		wrong += daemons(node) != has_memory(node);
		nr += daemons(node);
	}
	ksft_test_result(!wrong && nr, "%d nodes have a kcompactd each\n", nr);
}

/* Sets all memory blocks of a node; returns how many refuse. */
static int set_memory(int node, const char *state)
{
	DIR *dir = opendir(node_file(node, ""));
	struct dirent *entry;
	char name[300];
	int refused = 0;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "memory", 6))
			continue;
		snprintf(name, sizeof(name), "%s/state", entry->d_name);
		refused += !!cu_write_text(node_file(node, name), state);
	}
	closedir(dir);
	return refused;
}

/* Asks at every door, and the daemons, while memory comes and goes. */
static pid_t start_asking(int node)
{
	pid_t pid = cu_fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		cu_write_text(node_file(node, "compact"), "1");
		cu_write_text(CU_PROACTIVE, "90");
		cu_compact();
	}
}

static void test_hotplug(int node)
{
	int there = 0, gone = 0, i;
	pid_t pid;

	if (!has_memory(node) || set_memory(node, "offline")) {
		set_memory(node, "online");
		ksft_test_result_skip("no node can be without memory\n");
		ksft_test_result_skip("no node can be without memory\n");
		return;
	}
	ksft_test_result(!daemons(node) && !has_memory(node) && daemons(0) == 1 &&
			 !cu_write_text(node_file(node, "compact"), "1"),
			 "kcompactd%d goes with the memory, and the node still takes requests\n",
			 node);
	pid = start_asking(node);
	for (i = 0; i < ROUNDS; i++) {
		set_memory(node, "online_movable");
		there += has_memory(node) && daemons(node) == 1;
		set_memory(node, "offline");
		gone += !has_memory(node) && !daemons(node);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	set_memory(node, "online_movable");
	ksft_test_result(there == ROUNDS && gone == ROUNDS && daemons(node) == 1,
			 "kcompactd%d comes %d times of %d and goes %d times\n",
			 node, there, ROUNDS, gone);
}

/* CPUs, if they are one range; returns how many did as they were told. */
static int set_cpus(const char *cpus, int online)
{
	int cpu, last, done = 0;
	char path[64], *end;

	cpu = strtol(cpus, &end, 10);
	if (end == cpus)
		return 0;
	last = *end == '-' ? strtol(end + 1, NULL, 10) : cpu;
	for (; cpu <= last; cpu++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/online", cpu);
		done += !cu_write_long(path, online);
	}
	return done;
}

/* May the daemon run on the node's CPUs and nowhere else? */
static bool is_at_home(int node, const char *cpus)
{
	char name[32], path[64], line[128], list[64] = "";
	pid_t pid = 0;
	FILE *in;

	snprintf(name, sizeof(name), "kcompactd%d", node);
	if (!tasks_named(name, &pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	in = fopen(path, "r");
	while (in && fgets(line, sizeof(line), in))
		if (sscanf(line, "Cpus_allowed_list: %63s", list) == 1)
			break;
	if (in)
		fclose(in);
	return !strcmp(list, cpus);
}

/* The scheduler lets a task whose CPUs have gone run anywhere when it wakes. */
static void test_cpus(int node)
{
	bool before, away = false, again;
	char cpus[64] = "";
	int gone, try;

	knob_read(node_file(node, "cpulist"), cpus, sizeof(cpus));
	cpus[strcspn(cpus, "\n")] = '\0';
	before = is_at_home(node, cpus);
	gone = set_cpus(cpus, 0);
	if (!gone) {
		ksft_test_result_skip("no node can be without a CPU\n");
		return;
	}
	for (try = 0; try < 100 && !away; try++) {
		cu_write_text(CU_PROACTIVE, "90");
		cu_sleep_ms(50);
		away = !is_at_home(node, cpus);
	}
	again = set_cpus(cpus, 1) == gone && is_at_home(node, cpus);
	ksft_test_result(before && away && again,
			 "kcompactd%d is at home on CPU %s: %d, without it %d, and again %d\n",
			 node, cpus, before, !away, again);
}

int main(int argc, char **argv)
{
	__u64 seed = 1;

	cu_init();
	cu_parse(argc, argv, &seed, NULL);
	ksft_print_header();
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	if (access(THP_DEFRAG, F_OK))
		ksft_exit_skip("no transparent huge pages\n");
	ksft_set_plan(14);

	test_knob(CU_THRESHOLD, 500);
	test_knob(CU_PROACTIVE, 20);
	test_knob(CU_UNEVICTABLE, !is_realtime());
	test_indices_at_boot();
	if (scene_set("madvise") || pool_make(&pool, seed))
		ksft_exit_fail_msg("the scene cannot be set\n");
	test_nodes();
	test_indices_in_pieces();
	cu_unmap(pool.area, pool.pages);
	test_daemons();
	test_hotplug(1);
	test_cpus(1);
	ksft_finished();
}
