/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's figures of compaction that got nowhere, and the events that tell
 * of the same: both are read around a scene and compared.
 */
#ifndef __COMPACT_FAILURES_H
#define __COMPACT_FAILURES_H

#include <stdio.h>
#include <string.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_trace.h"

#define FAILURES	"/sys/kernel/debug/compaction/failures"
#define EVENT		"mm_compaction_failure"
#define FILTER		TRACE_EVENTS EVENT "/filter"
/* Pages that are in somebody's hands when they are looked at. */
#define NOISE		64

enum {
	UNMOVABLE, HUGE_PAGE, PERCPU, BUSY, PINNED, FILE_PAGE, MLOCKED,
	WRITEBACK, DIRTY, LOCKED, TARGET, WATERMARK, THRESHOLD, CONTENDED,
	DEFERRED, NR_REASONS
};

static const char * const reason_name[NR_REASONS] = {
	"unmovable", "huge", "percpu", "busy", "pinned", "file", "mlocked",
	"writeback", "dirty", "locked", "target", "watermark", "threshold",
	"contended", "deferred",
};

#define BIT(nr)		(1U << (nr))
/* What is there in any scene, whatever it is about. */
#define ALWAYS	(BIT(UNMOVABLE) | BIT(PERCPU) | BIT(BUSY) | BIT(TARGET))

struct tally {
	long pages;
	long blocks;
	long runs;
};

static struct cu_zones machine;
/* The largest zone, where the scenes are: in small ones other rules count. */
static const struct cu_zone *stage;
static struct tally before[NR_REASONS], since[NR_REASONS], events[NR_REASONS];

static void set_stage(void)
{
	int i;

	if (cu_read_zones(&machine))
		ksft_exit_fail_msg("cannot read the zones\n");
	stage = &machine.zone[0];
	for (i = 1; i < machine.nr; i++)
		if (machine.zone[i].managed > stage->managed)
			stage = &machine.zone[i];
	ksft_print_msg("node %d zone %s\n", stage->node, stage->name);
}

static unsigned long managed(void)
{
	unsigned long pages = 0;
	int i;

	for (i = 0; i < machine.nr; i++)
		pages += machine.zone[i].managed;
	return pages;
}

/* Reads one line; returns false if it is not that of the zone and reason. */
static bool read_line(FILE *file, const struct cu_zone *zone, int why,
		      struct tally *tally)
{
	char line[128], name[16], reason[16];
	int node;

	return fgets(line, sizeof(line), file) &&
	       sscanf(line, "%d %15s %15s %ld %ld %ld\n", &node, name, reason,
		      &tally->pages, &tally->blocks, &tally->runs) == 6 &&
	       node == zone->node && !strcmp(name, zone->name) &&
	       !strcmp(reason, reason_name[why]);
}

/* Reads the whole file; returns false if it is not as it should be. */
static bool read_failures(struct tally *tally)
{
	FILE *file = fopen(FAILURES, "r");
	struct tally other;
	char line[128];
	bool good;
	int i, why;

	good = file && fgets(line, sizeof(line), file) &&
	       !strcmp(line, "node zone     reason            pages   pageblocks         runs\n");
	for (i = 0; i < machine.nr; i++)
		for (why = 0; why < NR_REASONS; why++)
			good = good &&
			       read_line(file, &machine.zone[i], why,
					 &machine.zone[i] == stage ?
					 &tally[why] : &other);
	good = good && !fgets(line, sizeof(line), file);
	if (file)
		fclose(file);
	return good;
}

static int reason_of(const struct event *event)
{
	int why;

	for (why = 0; why < NR_REASONS; why++)
		if (trace_is(event, "reason", reason_name[why]))
			return why;
	return -1;
}

static bool on_stage(const struct event *event)
{
	return trace_number(event, "node") == stage->node &&
	       trace_is(event, "zone", stage->name);
}

/* A run that came to nothing is an event without a page. */
static void count_events(const char *text)
{
	struct event event;
	int why;

	memset(events, 0, sizeof(events));
	while (trace_next(&text, &event)) {
		why = reason_of(&event);
		if (why < 0 || !on_stage(&event))
			continue;
		events[why].pages += trace_number(&event, "nr_pages");
		events[why].runs += !trace_number(&event, "pfn");
	}
}

/* With a filter, only the events for which it is true are recorded. */
static void begin_scene(const char *filter)
{
	if (cu_write_text(FILTER, filter) || !read_failures(before) ||
	    trace_switch(EVENT, "1") || trace_begin())
		ksft_exit_fail_msg("cannot watch\n");
}

/* Returns the events, to be freed. */
static char *end_scene(const char *name)
{
	char *text = trace_end();
	int why;

	if (!text || !read_failures(since))
		ksft_exit_fail_msg("cannot read what there was\n");
	count_events(text);
	for (why = 0; why < NR_REASONS; why++) {
		since[why].pages -= before[why].pages;
		since[why].blocks -= before[why].blocks;
		since[why].runs -= before[why].runs;
		if (since[why].pages || since[why].blocks || since[why].runs)
			ksft_print_msg("%s: %s %ld pages %ld blocks %ld runs\n",
				       name, reason_name[why],
				       since[why].pages, since[why].blocks,
				       since[why].runs);
	}
	return text;
}

/* Nothing has happened but for these reasons. */
static bool only(unsigned int reasons)
{
	bool good = true;
	int why;

	for (why = 0; why < NR_REASONS; why++) {
		if ((reasons | ALWAYS) & BIT(why))
			continue;
		if (since[why].pages > NOISE || since[why].runs) {
			ksft_print_msg("unexpected: %s\n", reason_name[why]);
			good = false;
		}
	}
	return good;
}

static bool events_agree(bool pages)
{
	bool good = true;
	int why;

	for (why = 0; why < NR_REASONS; why++) {
		if ((!pages || events[why].pages == since[why].pages) &&
		    events[why].runs == since[why].runs)
			continue;
		ksft_print_msg("events: %s %ld pages %ld runs\n",
			       reason_name[why], events[why].pages,
			       events[why].runs);
		good = false;
	}
	return good;
}

#endif /* __COMPACT_FAILURES_H */
