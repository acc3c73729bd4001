/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What came of a part of the test: it is run by a child, and told by the parent.
 */
#ifndef __COMPACT_CELL_H
#define __COMPACT_CELL_H

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_race.h"
#include "compact_hold.h"
#include "compact_move.h"

#define CHILD_MS	100000
#define KILLED_MS	30000

/* What came of it: filled in by a child, told by the parent. In pages. */
struct cell {
	long pages;
	long moved;	/* although they were held */
	long wrong;	/* their contents */
	long off_lru;
	long stuck;	/* do not move although nobody holds them */
	long isolated;
	bool skip;
	char why[64];
};

static struct cell *cells;	/* shared with the children */

static void cell_fails(struct cell *cell, const char *why)
{
	if (why && !cell->why[0])
		snprintf(cell->why, sizeof(cell->why), "%s", why);
}

static bool cell_ok(const struct cell *cell)
{
	return cell->pages && !cell->moved && !cell->wrong && !cell->off_lru &&
	       !cell->stuck && !cell->isolated && !cell->why[0];
}

static void cell_tell(const struct cell *cell, const char *what,
		      const char *whom)
{
	if (cell->skip) {
		ksft_test_result_skip("%s, %s: not to be had here\n", what,
				      whom);
		return;
	}
	if (!cell_ok(cell))
		ksft_print_msg("of %ld moved %ld, wrong %ld, off %ld, stuck %ld, isolated %ld %s\n",
			       cell->pages, cell->moved, cell->wrong,
			       cell->off_lru, cell->stuck, cell->isolated,
			       cell->why);
	ksft_test_result(cell_ok(cell), "%s, %s\n", what, whom);
}

/* Runs a part of the test in a process of its own. Returns whether it ended. */
static bool run_child(void (*todo)(int nr), int nr)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		todo(nr);
		_exit(0);
	}
	if (pid < 0)
		return false;
	if (!cu_wait_ms(pid, &status, CHILD_MS)) {
		kill(pid, SIGKILL);
		if (!cu_wait_ms(pid, &status, KILLED_MS))
			ksft_exit_fail_msg("a child cannot be killed\n");
		return false;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static const char *spot_there(struct spot *spot, int kind)
{
	int node = -1, try;

	if (!spot->area && spot_make(spot, kind))
		return "no memory";
	if (kind == HUGE && !(frame_flags(spot->was[0]) & cu_kpf(CU_KPF_THP)))
		return "no huge page";
	/* A page that is marked for a fault is not seen. */
	for (try = 0; try < 50 && node; try++) {
		spot_touch(spot);
		node = node_of_page(spot->area);
	}
	return node ? "memory is not on node 0" : NULL;
}

/* So many spots of each kind; with a pool if pages stay on the node. */
static const char *scene_make(const struct mover *mover, size_t rows)
{
	const char *why = holds_prepare();
	size_t row, kind;

	cu_rng_seed(&scene.rng, hold_seed);
	scene.rows = rows;
	if (run_on_node(0))
		return "no node 0";
	if (!why && mover->here && make_pool())
		why = "no memory for a pool";
	for (row = 0; row < rows && !why; row++)
		for (kind = 0; kind < NR_KINDS && !why; kind++)
			why = spot_there(&scene.spot[row][kind], kind);
	return why;
}

/* With faults on hinting marks for this alone. */
static void run_mover(void (*todo)(int nr), int nr, struct cell *row,
		      size_t nr_cells)
{
	bool faults = movers[nr].move == move_by_faults, ended;
	long begun = cu_now_ms();
	size_t i;

	if (faults) {
		knob_set(BALANCING, "1");
		quick = quick_scans();
	}
	ended = run_child(todo, nr);
	if (race_there())
		race_clear();
	if (faults)
		knob_set(BALANCING, "0");
	ksft_print_msg("%s: %ld ms\n", movers[nr].name, cu_now_ms() - begun);
	for (i = 0; i < nr_cells && !ended; i++)
		cell_fails(&row[i], "it did not end well, or in time");
}

/* The kernel would wait for pages that stay isolated, sooner or later for ever. */
static void go_on_unless_isolated(void)
{
	long isolated = isolated_pages();

	if (isolated)
		ksft_exit_fail_msg("%ld pages stay isolated\n", isolated);
}

#endif /* __COMPACT_CELL_H */
