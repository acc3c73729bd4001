// SPDX-License-Identifier: GPL-2.0
/*
 * kcompactd: compaction while nobody waits for it.
 *
 * What it proves:
 *  - where faults leave the work to the daemon (defrag=defer), huge pages come to
 *    those who want them without a stall;
 *  - with compaction_proactiveness it brings a node's fragmentation down to where
 *    it is to be, if it is more than a tenth above that, and with 0 it does not;
 *  - it costs next to nothing where there is nothing to gain, and where there is
 *    nothing that it could do.
 *
 * What makes it fail: a daemon that is not woken, stops too early or does not stop;
 * that looks at another figure than the administrator does; that tries again and
 * again what has failed.
 *
 * The fragmentation of a node is the share of its free memory that is not in huge
 * pages, in per cent, of each zone and weighted by the zones' sizes. The cost is
 * measured over 40 seconds of sleep unless it is told otherwise: --idle SECONDS. They
 * pass at once in an emulator that skips idle time.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"

#define DEFAULT_WISH	20
/* A wish that leaves more to do than there is noise. */
#define WISH		50
/* By so much may the score be better than wished: a few pageblocks' worth. */
#define OVERDONE	5
#define PATIENCE_MS	60000
#define QUIET_MS	3000
/* Pages that may move while nobody should move any: others want memory too. */
#define NOISE		512
#define NR_FAULTS	64
#define FAULT_MS	50

static struct {
	__u64 seed;
	unsigned long idle;
	unsigned long ppm;	/* of the time, at the most */
} opt = { .seed = 1, .idle = 40, .ppm = 1000 };

static struct pool pool;
static struct demand easy;

static long score_to_reach(long wish)
{
	return wish < 95 ? 100 - wish : 5;
}

static long score_to_begin(long wish)
{
	return score_to_reach(wish) < 90 ? score_to_reach(wish) + 10 : 100;
}

static long zone_score(const struct cu_zone *zone)
{
	long free = cu_buddy_pages(zone, 0);

	return free ? (free - (long)cu_buddy_pages(zone, cu_huge_order())) *
		      100 / free : 0;
}

/* Of node 0. */
static long score(void)
{
	static struct cu_zones zones;
	long sum = 0, present = 0;
	int i;

	if (cu_read_zones(&zones))
		ksft_exit_fail_msg("cannot read the free memory\n");
	for (i = 0; i < zones.nr; i++) {
		const struct cu_zone *zone = &zones.zone[i];

		if (zone->node)
			continue;
		sum += (long)zone->present * zone_score(zone);
		present += zone->present;
	}
	return sum / (present + 1);
}

static void wish_for(long proactiveness)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", proactiveness);
	if (knob_set(CU_PROACTIVE, text))
		ksft_exit_fail_msg("cannot write %s\n", CU_PROACTIVE);
}

static void in_pieces(void)
{
	pool_scatter(&pool);
	if (demand_easy(&easy, "defer"))
		ksft_exit_fail_msg("no memory\n");
}

/* The time that the daemon has run so far, in ns. */
static long time_used(void)
{
	char path[64], text[64];
	pid_t pid = 0;

	if (tasks_named("kcompactd0", &pid) != 1)
		ksft_exit_fail_msg("there is no kcompactd0\n");
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (knob_read(path, text, sizeof(text)))
		ksft_exit_fail_msg("cannot read %s\n", path);
	return strtol(text, NULL, 10);
}

static void test_cost(const char *state)
{
	long scanned = cu_vmstat("compact_migrate_scanned");
	long ns = time_used();

	cu_sleep_ms(opt.idle * 1000);
	ns = time_used() - ns;
	scanned = cu_vmstat("compact_migrate_scanned") - scanned;
	ksft_print_msg("%s: %ld ns in %lu s, %ld pages scanned, score %ld\n",
		       state, ns, opt.idle, scanned, score());
	ksft_test_result(ns <= (long)(opt.idle * opt.ppm) * 1000,
			 "%s: the daemon costs %ld ppm\n", state,
			 ns / (long)opt.idle / 1000);
}

/* Nothing that is in pieces can be moved. */
static void test_cost_hopeless(void)
{
	long before, after;

	in_pieces();
	if (pool_nail(&pool))
		ksft_exit_fail_msg("cannot lock pages in memory\n");
	wish_for(DEFAULT_WISH);
	before = score();
	test_cost("hopeless");
	after = score();
	ksft_test_result(before > score_to_begin(DEFAULT_WISH) &&
			 after > score_to_begin(DEFAULT_WISH),
			 "hopeless: the score was %ld and is %ld\n", before,
			 after);
	wish_for(0);
	pool_unnail(&pool);
	demand_unmap(&easy);
}

static const char * const daemon_events[] = {
	"mm_compaction_kcompactd_wake", "mm_compaction_wakeup_kcompactd",
	"mm_compaction_kcompactd_sleep",
};

/* An event at least for each time that it woke since, and for each sleep between. */
static void test_events(long wakes)
{
	long seen[ARRAY_SIZE(daemon_events)] = { 0 };
	char *text = trace_end();
	const char *at = text;
	struct event event;
	size_t i;

	while (at && trace_next(&at, &event))
		for (i = 0; i < ARRAY_SIZE(daemon_events); i++)
			seen[i] += !strcmp(event.name, daemon_events[i]);
	free(text);
	ksft_test_result(seen[0] >= wakes && seen[1] && seen[2] &&
			 seen[2] + 1 >= wakes,
			 "events: %ld of waking, %ld of being woken, %ld of sleep\n",
			 seen[0], seen[1], seen[2]);
}

/* A fault that finds no huge page wakes the daemon, and does without. */
static void test_woken(void)
{
	long wakes, scanned, stalls, huge;
	struct demand want;
	int i;

	in_pieces();
	if (demand_map(&want, NR_FAULTS))
		ksft_exit_fail_msg("no memory\n");
	if (trace_watch(daemon_events, ARRAY_SIZE(daemon_events)))
		ksft_exit_fail_msg("cannot watch the daemon\n");
	wakes = cu_vmstat("compact_daemon_wake");
	scanned = cu_vmstat("compact_daemon_migrate_scanned");
	stalls = cu_vmstat("compact_stall");
	huge = cu_vmstat("thp_fault_alloc");
	for (i = 0; i < NR_FAULTS; i++) {
		demand_fault(&want, i, i + 1);
		cu_sleep_ms(FAULT_MS);
	}
	wakes = cu_vmstat("compact_daemon_wake") - wakes;
	scanned = cu_vmstat("compact_daemon_migrate_scanned") - scanned;
	stalls = cu_vmstat("compact_stall") - stalls;
	huge = cu_vmstat("thp_fault_alloc") - huge;
	demand_unmap(&want);
	demand_unmap(&easy);
	ksft_test_result(wakes > 0 && scanned > 0,
			 "the daemon is woken %ld times and scans %ld pages\n",
			 wakes, scanned);
	test_events(wakes);
	ksft_test_result(huge >= NR_FAULTS / 4 && !stalls,
			 "%ld of %d faults get huge pages, with %ld stalls\n",
			 huge, NR_FAULTS, stalls);
}

/* Does the daemon let memory be? */
static void test_quiet(const char *why)
{
	long moved = cu_vmstat("pgmigrate_success");
	long before = score(), after;

	cu_sleep_ms(QUIET_MS);
	moved = cu_vmstat("pgmigrate_success") - moved;
	after = score();
	ksft_test_result(moved < NOISE,
			 "%s: %ld pages move, the score was %ld and is %ld\n",
			 why, moved, before, after);
}

/* How long does it take until the score is as it is wished for? */
static long wait_for_score(long reach)
{
	long ms = cu_now_ms();

	while (score() > reach && cu_now_ms() < ms + PATIENCE_MS)
		cu_sleep_ms(100);
	return cu_now_ms() - ms;
}

static void test_proactive(void)
{
	long before, after, ms, moved;

	in_pieces();
	before = score();
	test_quiet("no wish");
	/* The work would begin at a score of 5 more than there is. */
	wish_for(105 - before);
	test_quiet("a wish that is nearly fulfilled");
	moved = cu_vmstat("pgmigrate_success");
	wish_for(WISH);
	ms = wait_for_score(score_to_reach(WISH));
	after = score();
	moved = cu_vmstat("pgmigrate_success") - moved;
	ksft_test_result(before > score_to_begin(WISH) &&
			 after <= score_to_reach(WISH) &&
			 after >= score_to_reach(WISH) - OVERDONE &&
			 moved > NOISE,
			 "from %ld to %ld, where %ld is wished for, in %ld ms\n",
			 before, after, score_to_reach(WISH), ms);
	test_quiet("a wish that is fulfilled");
	wish_for(0);
	demand_unmap(&easy);
}

static const struct cu_option options[] = {
	{ "idle", "SECONDS", &opt.idle, 1, 86400 },
	{ "ppm", "COST", &opt.ppm, 0, 1000000 },
	{ }
};

int main(int argc, char **argv)
{
	const char *why = NULL;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	if (cu_read_long(CU_PROACTIVE) < 0)
		why = "no proactive compaction";
	else
		why = scene_set("defer");
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(10);

	wish_for(DEFAULT_WISH);
	test_cost("nothing to gain");
	wish_for(0);
	if (pool_make(&pool, opt.seed))
		ksft_exit_fail_msg("no memory\n");
	test_woken();
	test_proactive();
	test_cost_hopeless();
	ksft_finished();
}
