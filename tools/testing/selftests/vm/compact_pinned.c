// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are pinned stay, whoever would move them; and whoever fails to move
 * pages puts them back.
 *
 * Pages of node 0, of a process, shared, and parts of huge ones, are held by a pipe
 * (vmsplice), a fixed buffer of io_uring, gup_test, a write to the process's memory
 * and a direct read that have both begun. Faults on node 1 by NUMA balancing,
 * migrate_pages(), move_pages() and compaction would move them.
 *
 * What it proves, for each of these with each of those:
 *  - a page that is held stays where it is, and what is written through the one who
 *    holds it is what the process reads, and the other way round;
 *  - it is back on its LRU list, and does not count as isolated;
 *  - once nobody holds it, the same means move it.
 * And the same for pages that nobody holds and that cannot be moved for other
 * reasons: no memory, a target node that is nearly full, the page locked or gone
 * meanwhile, migration that fails late. In the end everything at once, at random;
 * with --witness that alone, while others make memory move.
 *
 * What makes it fail: references that are not counted before a page is moved; a
 * path that fails and leaves the page off its list, counted, or with a reference.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_race.h"
#include "compact_pressure.h"
#include "compact_pin.h"
#include "compact_hold.h"
#include "compact_move.h"
#include "compact_cell.h"
#include "compact_astray.h"

/* Free pages that may be missing in the end: caches, and those who hold them. */
#define NOISE		1500
/* Of compaction, until it has moved what it could. */
#define MOST_MOVES	20

static struct {
	__u64 seed;
	unsigned long seconds;
	unsigned long witness;
} opt = { .seed = 1, .seconds = 6 };

/* The table: those who hold against those who move. */

static void hold_all(struct cell *row)
{
	size_t type, kind;

	for (type = 0; type < NR_TYPES; type++) {
		if (row[type].skip)
			continue;
		for (kind = 0; kind < NR_KINDS; kind++) {
			struct hold *hold = &scene.hold[type][kind];

			hold->type = &hold_types[type];
			hold->spot = &scene.spot[type][kind];
			cell_fails(&row[type], hold_begin(hold));
			spot_look(hold->spot);
			row[type].pages += HELD;
		}
	}
}

/* Versions: 1 in the beginning, 2 of the process, 3 of those who write. */
static void release(struct cell *cell, struct hold *hold)
{
	struct spot *spot = hold->spot;

	cell->wrong += spot_wrong(spot, true, 1) + spot_wrong(spot, false, 1);
	spot_fill(spot, 2);
	if (hold->type->begin)
		cell->moved += spot_moved(spot, HELD);
	cell->wrong += hold_end(hold);
	cell->wrong += spot_wrong(spot, true, hold->type->writes ? 3 : 2) +
		       spot_wrong(spot, false, 2);
}

/*
 * Not every page has to be in the way of compaction: of those that nobody has
 * ever held it has to move some, and the others have to be able to move.
 */
static size_t spot_stuck(const struct mover *mover, const struct spot *spot,
			 bool free)
{
	size_t moved = spot_moved(spot, HELD);

	if (!mover->here)
		return HELD - moved;
	if (moved || spot->kind == HUGE)
		return 0;
	return free ? HELD : spot_to_node(spot, 1, false);
}

static void for_row(struct cell *row, size_t type, const struct mover *mover,
		    void (*look)(struct cell *cell, struct hold *hold,
				 const struct mover *mover))
{
	size_t kind;

	for (kind = 0; kind < NR_KINDS && !row[type].skip; kind++)
		look(&row[type], &scene.hold[type][kind], mover);
}

static void look_held(struct cell *cell, struct hold *hold,
		      const struct mover *mover)
{
	if (hold->type->begin)
		cell->moved += spot_moved(hold->spot, HELD);
	else
		cell->stuck += spot_stuck(mover, hold->spot, true);
	cell->off_lru += pages_off_lru(held_part(hold->spot), HELD);
}

static void look_released(struct cell *cell, struct hold *hold,
			  const struct mover *mover)
{
	(void)mover;
	release(cell, hold);
	cell->off_lru += pages_off_lru(held_part(hold->spot), HELD);
}

static void look_free(struct cell *cell, struct hold *hold,
		      const struct mover *mover)
{
	if (hold->type->begin)
		cell->stuck += spot_stuck(mover, hold->spot, false);
}

/* Until it has moved some of what nobody holds: it need not begin with that. */
static void move_some(const struct mover *mover)
{
	const struct spot *nobodys = scene.spot[0];
	int try;

	for (try = 0; try < MOST_MOVES; try++) {
		mover->move();
		if (!mover->here || (spot_moved(&nobodys[PRIVATE], HELD) &&
				     spot_moved(&nobodys[SHARED], HELD)))
			break;
	}
}

static void table_child(int nr)
{
	const struct mover *mover = &movers[nr];
	struct cell *row = &cells[nr * NR_TYPES];
	const char *why = scene_make(mover, NR_TYPES);
	long isolated;
	size_t type;

	for (type = 0; type < NR_TYPES; type++)
		cell_fails(&row[type], why);
	if (why)
		_exit(0);
	hold_all(row);
	move_some(mover);
	isolated = isolated_pages();
	for (type = 0; type < NR_TYPES; type++) {
		for_row(row, type, mover, look_held);
		row[type].isolated = isolated;
	}
	for (type = 0; type < NR_TYPES; type++)
		for_row(row, type, mover, look_released);
	mover->move();
	for (type = 0; type < NR_TYPES; type++)
		for_row(row, type, mover, look_free);
}

static void test_table(int nr)
{
	struct cell *row = &cells[nr * NR_TYPES];
	size_t type;

	for (type = 0; type < NR_TYPES; type++)
		row[type].skip = !type_there(&hold_types[type]);
	run_mover(table_child, nr, row, NR_TYPES);
	for (type = 0; type < NR_TYPES; type++)
		cell_tell(&row[type], movers[nr].name, hold_types[type].name);
	go_on_unless_isolated();
}

#define NR_PATHS	ARRAY_SIZE(paths)

static struct cell *path_cell(int mover, size_t path)
{
	return &cells[NR_MOVERS * NR_TYPES + mover * NR_PATHS + path];
}

/* The last path may have split it, or taken it elsewhere. */
static void spot_renew(struct spot *spot)
{
	if (spot->raw)
		spot_map(spot);
	spot_fill(spot, 1);
	spot_look(spot);
}

static void renew_all(void)
{
	run_on_node(0);
	for_all_spots(spot_renew);
	run_on_node(1);
}

static void look_at_spot(struct cell *cell, const struct path *path,
			 struct spot *spot)
{
	int try;

	cell->pages += spot->pages;
	if (path->stays)
		cell->moved += spot_moved(spot, spot->pages);
	if (path->loses) {
		spot_write(spot);
		spot_fill(spot, 1);
	}
	cell->wrong += spot_wrong(spot, true, 1) + spot_wrong(spot, false, 1);
	cell->off_lru += pages_off_lru(held_part(spot), HELD);
	/* A batch on another CPU may hold a page for a moment. */
	for (try = 0; try < 5 && spot_to_node(spot, 1, true); try++)
		cu_sleep_ms(20);
	cell->stuck += spot_to_node(spot, 0, true);
	cell->wrong += spot_wrong(spot, true, 1) + spot_wrong(spot, false, 1);
}

static void go_path(const struct mover *mover, const struct path *path,
		    struct cell *cell)
{
	const char *function = path->function ?: mover->alloc;
	long faults = cu_vmstat("numa_hint_faults");
	size_t row, kind;
	long end;

	renew_all();
	cell_fails(cell, path->begin(mover));
	end = cu_now_ms() + path->ms;
	do {
		if (path->loses)
			renew_all();
		if (!cell->why[0])
			mover->move();
	} while (cu_now_ms() < end && !cell->why[0]);
	if (path->needs_race && race_hits(function) <= 0)
		cell_fails(cell, "nothing went wrong");
	if (mover->move == move_by_faults &&
	    cu_vmstat("numa_hint_faults") == faults)
		cell_fails(cell, "nobody has faulted");
	if (path->end)
		path->end();
	if (race_there())
		race_clear();
	run_on_node(0);
	/* move_pages() does not see pages that are marked. */
	cu_write_long(BALANCING, 0);
	for_all_spots(spot_touch);
	cell->isolated = isolated_pages();
	for (row = 0; row < scene.rows; row++)
		for (kind = 0; kind < NR_KINDS; kind++)
			look_at_spot(cell, path, &scene.spot[row][kind]);
	if (mover->move == move_by_faults) {
		cu_write_long(BALANCING, 1);
		quick = quick_scans();
	}
}

static void paths_child(int nr)
{
	const struct mover *mover = &movers[nr];
	const char *why = scene_make(mover, 2);
	size_t path;

	for (path = 0; path < NR_PATHS; path++) {
		struct cell *cell = path_cell(nr, path);

		if (!(paths[path].movers & 1U << nr) || cell->skip)
			continue;
		cell_fails(cell, why);
		if (!why)
			go_path(mover, &paths[path], cell);
	}
}

static void test_paths(int nr)
{
	size_t path;

	for (path = 0; path < NR_PATHS; path++)
		path_cell(nr, path)->skip = paths[path].needs_race &&
					    !race_there();
	run_mover(paths_child, nr, path_cell(nr, 0), NR_PATHS);
	for (path = 0; path < NR_PATHS; path++)
		if (paths[path].movers & 1U << nr)
			cell_tell(path_cell(nr, path), movers[nr].name,
				  paths[path].name);
	go_on_unless_isolated();
}

/*
 * NUMA balancing does not mark a page that is held already, if it is a process's
 * own. So here they are marked first; gup_test takes them without a fault.
 */
#define MARKED_CELL	(NR_MOVERS * (NR_TYPES + NR_PATHS))
#define RANDOM_CELL	(MARKED_CELL + 1)
#define NR_CELLS	(RANDOM_CELL + 1)

static void hold_marked(struct cell *cell, int row, int kind)
{
	struct hold *hold = &scene.hold[row][kind];

	hold->type = &hold_types[GUP_TYPE];
	hold->spot = &scene.spot[row][kind];
	hold->cmd = row ? GUP_PIN : GUP_GET;
	hold->flags = GUP_WRITE | GUP_FORCE;
	cell_fails(cell, hold_begin(hold));
	cell->pages += HELD;
}

static void release_marked(struct cell *cell, int row, int kind)
{
	struct hold *hold = &scene.hold[row][kind];

	cell->moved += spot_moved(hold->spot, HELD);
	release(cell, hold);
	cell->stuck += spot_to_node(hold->spot, 1, true);
}

static void marked_child(int nr)
{
	struct cell *cell = &cells[MARKED_CELL];
	long failed, marks;
	int i;

	cell_fails(cell, scene_make(&movers[nr], 2));
	marks = unmark();
	run_on_node(1);
	if (!cell->why[0] && !wait_for_marks(marks))
		cell_fails(cell, "no page is marked");
	for (i = 0; i < 2 * NR_KINDS && !cell->why[0]; i++)
		hold_marked(cell, i / NR_KINDS, i % NR_KINDS);
	failed = cu_vmstat("pgmigrate_fail");
	for_all_spots(spot_touch);
	if (cu_vmstat("pgmigrate_fail") - failed < HELD)
		cell_fails(cell, "nobody wanted to move them");
	cell->isolated = isolated_pages();
	cu_write_long(BALANCING, 0);
	for_all_spots(spot_touch);
	for (i = 0; i < 2 * NR_KINDS && !cell->why[0]; i++)
		release_marked(cell, i / NR_KINDS, i % NR_KINDS);
}

static void test_marked(void)
{
	struct cell *cell = &cells[MARKED_CELL];

	cell->skip = !type_there(&hold_types[GUP_TYPE]);
	if (!cell->skip)
		run_mover(marked_child, 0, cell, 1);
	cell_tell(cell, movers[0].name, "held after they were marked");
}

/* All at once, at random. */

#define NR_WORKERS	3

static const struct {
	const char *function;
	long value;
	int every;
	bool fail;
} random_points[] = {
	{ "try_to_migrate", 100, 5, false },
	{ "remove_migration_pte", 100, 3, false },
	{ "folio_isolate_lru", 50, 7, false },
	{ "folio_migrate_copy", 200, 5, false },
	{ MOVE, -EAGAIN, 7, true },
	{ "alloc_migration_target", 0, 11, true },
	{ "alloc_misplaced_dst_page", 0, 5, true },
};

static void random_move(const struct spot *spot, struct cu_rng *rng)
{
	size_t len = spot->pages * cu_psize;

	switch (cu_rand(rng) % 6) {
	case 0:
		spot_to_node(spot, cu_rand(rng) % 2, true);
		break;
	case 1:
		move_by_migrate_pages();
		break;
	case 2:
		mprotect(spot->area, len, PROT_READ);
		mprotect(spot->area, len, PROT_READ | PROT_WRITE);
		break;
	case 3:
		run_on_node(cu_rand(rng) % 2);
		break;
	case 4:
		cu_sleep_ms(cu_rand(rng) % 10);
		break;
	default:
		spot_touch((struct spot *)spot);
	}
}

static void random_hold(struct cell *cell, size_t type, int kind,
			struct cu_rng *rng)
{
	struct hold hold = { .type = &hold_types[type] };
	struct spot spot = { .area = NULL };
	int i, moves = cu_rand(rng) % 12;
	const char *why;

	if (spot_make(&spot, kind)) {
		spot_end(&spot);
		return;
	}
	hold.spot = &spot;
	why = hold_begin(&hold);
	/* It takes migration out of movable memory first, and that may fail. */
	if (!opt.witness || !why || strcmp(why, NOT_REGISTERED))
		cell_fails(cell, why);
	spot_look(&spot);
	for (i = 0; i < moves && !why; i++)
		random_move(&spot, rng);
	if (!why) {
		struct cell one = { .pages = HELD };

		release(&one, &hold);
		__atomic_fetch_add(&cell->pages, HELD, __ATOMIC_RELAXED);
		__atomic_fetch_add(&cell->moved, one.moved, __ATOMIC_RELAXED);
		__atomic_fetch_add(&cell->wrong, one.wrong, __ATOMIC_RELAXED);
	}
	spot_end(&spot);
}

static void random_worker(int nr)
{
	long end = cu_now_ms() + (opt.witness ?: opt.seconds) * 1000;
	struct cell *cell = &cells[RANDOM_CELL];
	struct cu_rng rng;

	cell_fails(cell, holds_prepare());
	cu_rng_seed(&rng, opt.seed + nr);
	while (cu_now_ms() < end && !cell->why[0] && !cell->wrong && !cell->moved) {
		size_t type = 1 + cu_rand(&rng) % (NR_TYPES - 1);

		/* places on the disk of its own */
		next_id = nr * 64 + next_id % 64;
		if (type_there(&hold_types[type]))
			random_hold(cell, type, cu_rand(&rng) % NR_KINDS, &rng);
	}
	_exit(0);
}

static void random_child(int nr)
{
	struct cell *cell = &cells[RANDOM_CELL];
	int status, i;

	(void)nr;
	for (i = 0; i < NR_WORKERS; i++)
		if (!cu_fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			random_worker(i);
		}
	for (i = 0; i < NR_WORKERS; i++)
		if (wait(&status) < 0 || status)
			cell_fails(cell, "a worker did not end well");
}

static void test_random(void)
{
	struct pressure press = { .churn_percent = 30, .seed = opt.seed };
	struct cell *cell = &cells[RANDOM_CELL];
	size_t i;

	for (i = 0; race_there() && i < ARRAY_SIZE(random_points); i++)
		if (random_points[i].fail)
			race_fail(random_points[i].function,
				  random_points[i].value,
				  random_points[i].every);
		else
			race_delay(random_points[i].function,
				   random_points[i].value,
				   random_points[i].every);
	pressure_begin(&press, PRESS_CHURN | PRESS_MEMORY | PRESS_NODES |
			       PRESS_FAULTS);
	run_mover(random_child, 0, cell, 1);
	pressure_end(&press);
	cell->isolated = isolated_pages();
	ksft_print_msg("%ld pages were held at random\n", cell->pages);
	cell_tell(cell, "everybody", "everybody at random");
}

/* While others do so: this alone, for as long as it is wanted. */
static void test_witness(void)
{
	struct cell *cell = &cells[RANDOM_CELL];

	/* It is the witness: others go first. */
	cu_write_long("/proc/self/oom_score_adj", -1000);
	late_ms = 60000;
	random_child(0);
	ksft_print_msg("%ld pages were held at random\n", cell->pages);
	if (cell->pages < (long)(HELD * opt.witness))
		cell_fails(cell, "few were held");
	cell_tell(cell, "others", "everybody at random");
	ksft_finished();
}

/* Also those on the lists of CPUs. */
static long free_pages(void)
{
	static struct cu_zones zones;
	long free = 0;
	int i;

	cu_drop_caches();
	cu_read_zones(&zones);
	for (i = 0; i < zones.nr; i++)
		free += zones.zone[i].free + zones.zone[i].pcp;
	return free;
}

/* In the end, nothing is left of all this. */
static void test_rest(long reports, long free)
{
	struct free_audit audit;
	long missing, isolated;

	isolated = isolated_pages();
	reports = isolated_reports() - reports;
	missing = free - free_pages();
	if (free_audit(&audit))
		ksft_print_msg("no module to audit the free lists\n");
	ksft_print_msg("isolated %ld, below zero %ld, missing %ld, unequal %ld, bad %ld\n",
		       isolated, reports, missing, audit.unequal, audit.bad);
	ksft_test_result(!isolated && !reports && !audit.unequal &&
			 !audit.bad && missing < NOISE,
			 "no page is isolated, lost or counted twice\n");
}

static unsigned int nr_lines(void)
{
	unsigned int nr = NR_MOVERS * NR_TYPES + 3, i;

	for (i = 0; i < NR_PATHS; i++)
		nr += __builtin_popcount(paths[i].movers);
	return nr;
}

static const struct cu_option options[] = {
	{ "seconds", "N", &opt.seconds, 0, 50 },
	{ "witness", "SECONDS", &opt.witness, 0, 100000 },
	{ }
};

int main(int argc, char **argv)
{
	unsigned long both = 3;
	const char *why;
	long reports, free;
	size_t i;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	hold_seed = opt.seed;
	ksft_print_header();
	cells = mmap(NULL, NR_CELLS * sizeof(*cells), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cells == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	ksft_print_msg("seed %llu\n", opt.seed);
	if (opt.witness) {
		ksft_set_plan(1);
		test_witness();
	}
	why = scene_set("madvise");
	if (!why && (node_cpu(0) < 0 || node_cpu(1) < 0))
		why = "needs two nodes with a CPU each";
	if (!why && knob_set(BALANCING, "0"))
		why = "no NUMA balancing";
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(nr_lines());
	/* Of all memory NUMA balancing looks at that alone which asks for it. */
	syscall(SYS_set_mempolicy, MPOL_BIND, &both, 8 * sizeof(both));
	if (!race_there())
		ksft_print_msg("no module to delay and fail functions\n");
	reports = isolated_reports();
	free = free_pages();
	for (i = 0; i < NR_MOVERS; i++)
		test_table(i);
	for (i = 0; i < NR_MOVERS; i++)
		test_paths(i);
	test_marked();
	test_random();
	test_rest(reports, free);
	ksft_finished();
}
