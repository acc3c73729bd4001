// SPDX-License-Identifier: GPL-2.0
/*
 * Why did it fail?
 *
 * Each page that a run could not move, each block that it could not empty and
 * each run that ended early or was not begun is counted in its zone, by reason. A
 * run that goes through all blocks has no reason but those of their pages. It
 * counts for itself and adds to the zone's figures once, at its end, so that a
 * page costs an increment on the stack.
 *
 *   /sys/kernel/debug/compaction/failures (0444): a line for each zone and
 *	reason: node, zone, reason, pages, pageblocks, runs
 *   mm_compaction_failure: an event for each page or run, as it happens
 */
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/compaction.h>
#include <linux/debugfs.h>
#include <linux/mmzone.h>
#include <linux/seq_file.h>
#include <linux/tracepoint-defs.h>
#include <trace/events/compaction.h>
#include "internal.h"

/**
 * compact_failed - note that pages could not be moved
 * @cc: the run
 * @why: the reason
 * @pfn: the first of them
 * @nr: how many base pages
 */
void compact_failed(struct compact_control *cc, enum compact_failure why,
		    unsigned long pfn, unsigned long nr)
{
	cc->failed_pages[why] += nr;
	cc->failed_here |= BIT(why);
	trace_mm_compaction_failure(cc->zone, why, pfn, nr);
}

/**
 * compact_failed_run - count a run that ended too early or was not begun
 * @zone: the zone
 * @why: the reason
 *
 * Context: any.
 */
void compact_failed_run(struct zone *zone, enum compact_failure why)
{
	atomic_long_inc(&zone->compaction.failures[why].runs);
	trace_mm_compaction_failure(zone, why, 0, 0);
}

/**
 * compact_block_done - count a block for each reason that was met in it
 * @cc: the run
 */
void compact_block_done(struct compact_control *cc)
{
	unsigned int why;

	for_each_set_bit(why, &cc->failed_here, NR_COMPACT_FAILURES)
		cc->failed_blocks[why]++;
	cc->failed_last = cc->failed_here;
	cc->failed_here = 0;
}

/**
 * compact_flush_failures - add what a run has counted to the zone's figures
 * @cc: the run; it begins to count anew
 *
 * Context: any.
 */
void compact_flush_failures(struct compact_control *cc)
{
	struct compact_failure_count *count = cc->zone->compaction.failures;
	unsigned int why;

	for (why = 0; why < NR_COMPACT_FAILURES; why++) {
		if (cc->failed_pages[why])
			atomic_long_add(cc->failed_pages[why],
					&count[why].pages);
		if (cc->failed_blocks[why])
			atomic_long_add(cc->failed_blocks[why],
					&count[why].blocks);
		cc->failed_pages[why] = 0;
		cc->failed_blocks[why] = 0;
	}
}

#ifdef CONFIG_DEBUG_FS
/* The names, and their order, are those of the event. */
static const struct trace_print_flags failure_names[] = {
	COMPACT_FAILURE_NAMES
};

static void show_zone_failures(struct seq_file *m, struct zone *zone)
{
	const struct trace_print_flags *why;

	for (why = failure_names;
	     why < failure_names + ARRAY_SIZE(failure_names); why++) {
		struct compact_failure_count *count =
			&zone->compaction.failures[why->mask];

		seq_printf(m, "%4d %-8s %-10s %12lu %12lu %12lu\n",
			   zone_to_nid(zone), zone->name, why->name,
			   (unsigned long)atomic_long_read(&count->pages),
			   (unsigned long)atomic_long_read(&count->blocks),
			   (unsigned long)atomic_long_read(&count->runs));
	}
}

static int failures_show(struct seq_file *m, void *v)
{
	struct zone *zone;

	seq_printf(m, "%4s %-8s %-10s %12s %12s %12s\n", "node", "zone",
		   "reason", "pages", "pageblocks", "runs");
	for_each_populated_zone(zone)
		show_zone_failures(m, zone);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(failures);

static int __init compact_failures_init(void)
{
	BUILD_BUG_ON(ARRAY_SIZE(failure_names) != NR_COMPACT_FAILURES);
	debugfs_create_file("failures", 0444,
			    debugfs_create_dir("compaction", NULL), NULL,
			    &failures_fops);
	return 0;
}
late_initcall(compact_failures_init);
#endif /* CONFIG_DEBUG_FS */
