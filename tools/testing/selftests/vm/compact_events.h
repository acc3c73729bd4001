/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the trace events of direct compaction have to say: a rule for each.
 */
#ifndef __COMPACT_EVENTS_H
#define __COMPACT_EVENTS_H

#include <string.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_scene.h"
#include "compact_trace.h"

struct rule {
	const char *event;
	bool (*sane)(const struct event *event);
	size_t seen;
	size_t wrong;
	char example[256];	/* of those that are wrong */
};

static struct cu_zones machine;

static inline bool is_one_of(const struct event *event, const char *field)
{
	static const char * const status[] = {
		"not_suitable_zone", "skipped", "deferred", "no_suitable_page",
		"continue", "complete", "partial_skipped", "contended",
		"success",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(status); i++)
		if (trace_is(event, field, status[i]))
			return true;
	return false;
}

static inline bool names_a_zone(const struct event *event)
{
	int i;

	for (i = 0; i < machine.nr; i++)
		if (trace_number(event, "node") == machine.zone[i].node &&
		    trace_is(event, "zone", machine.zone[i].name))
			return true;
	return false;
}

static inline bool for_huge_page(const struct event *event)
{
	return trace_number(event, "order") == (long)cu_huge_order();
}

static inline bool sane_try(const struct event *event)
{
	const char *gfp = trace_word(event, "gfp_mask");
	long prio = trace_number(event, "priority");

	return for_huge_page(event) && prio >= 0 && prio <= 2 &&
	       gfp && !strncmp(gfp, "GFP_TRANSHUGE", 13);
}

/* The whole of one zone, and scanners within. */
static inline bool sane_run(const struct event *event)
{
	long start = trace_number(event, "zone_start");
	long end = trace_number(event, "zone_end");
	long source = trace_number(event, "migrate_pfn");
	long target = trace_number(event, "free_pfn");
	int i;

	for (i = 0; i < machine.nr; i++)
		if (start == (long)machine.zone[i].start &&
		    end == (long)(start + machine.zone[i].spanned))
			break;
	return i < machine.nr && start <= source && source <= end &&
	       start <= target && target <= end &&
	       (trace_is(event, "mode", "sync") ||
		trace_is(event, "mode", "async"));
}

static inline bool sane_end(const struct event *event)
{
	return sane_run(event) && is_one_of(event, "status");
}

static inline bool sane_result(const struct event *event)
{
	return names_a_zone(event) && for_huge_page(event) &&
	       is_one_of(event, "ret");
}

/* The limit is a power of 2. */
static inline bool sane_defer(const struct event *event)
{
	long limit = trace_number(event, "limit");
	long considered = trace_number(event, "consider");
	long failed = trace_number(event, "order_failed");

	return names_a_zone(event) && for_huge_page(event) && limit > 0 &&
	       limit <= MAX_DEFERRED && !(limit & (limit - 1)) &&
	       considered >= 0 && considered <= limit && failed >= 0 &&
	       failed <= machine.orders;
}

static inline bool sane_scan(const struct event *event)
{
	long scanned = trace_number(event, "nr_scanned");
	long taken = trace_number(event, "nr_taken");
	unsigned long from, to;

	return sscanf(event->text, " range=(%lx ~ %lx)", &from, &to) == 2 &&
	       from <= to && taken >= 0 && taken <= scanned;
}

static inline bool sane_migration(const struct event *event)
{
	long moved = trace_number(event, "nr_migrated");
	long left = trace_number(event, "nr_failed");

	return moved >= 0 && left >= 0 && moved + left > 0;
}

static struct rule rules[] = {
	{ .event = "mm_compaction_try_to_compact_pages", .sane = sane_try },
	{ .event = "mm_compaction_suitable", .sane = sane_result },
	{ .event = "mm_compaction_begin", .sane = sane_run },
	{ .event = "mm_compaction_isolate_migratepages", .sane = sane_scan },
	{ .event = "mm_compaction_isolate_freepages", .sane = sane_scan },
	{ .event = "mm_compaction_migratepages", .sane = sane_migration },
	{ .event = "mm_compaction_finished", .sane = sane_result },
	{ .event = "mm_compaction_end", .sane = sane_end },
	{ .event = "mm_compaction_defer_compaction", .sane = sane_defer },
	{ .event = "mm_compaction_deferred", .sane = sane_defer },
	{ .event = "mm_compaction_defer_reset", .sane = sane_defer },
};

#define NR_RULES	((int)ARRAY_SIZE(rules))

static inline int rules_trace(void)
{
	int i;

	for (i = 0; i < NR_RULES; i++)
		if (trace_switch(rules[i].event, "1"))
			return -1;
	return cu_read_zones(&machine) ? -1 : trace_begin();
}

/* Looks at the events of one task. */
static inline void rules_apply(const char *text, int pid)
{
	struct event event;
	int i;

	while (trace_next(&text, &event)) {
		for (i = 0; event.pid == pid && i < NR_RULES; i++) {
			if (strcmp(event.name, rules[i].event))
				continue;
			rules[i].seen++;
			if (rules[i].sane(&event))
				continue;
			rules[i].wrong++;
			memcpy(rules[i].example, event.text,
			       sizeof(event.text));
		}
	}
}

static inline size_t rules_seen(const char *event)
{
	int i = 0;

	while (strcmp(rules[i].event, event))
		i++;
	return rules[i].seen;
}

#endif /* __COMPACT_EVENTS_H */
