/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tools outside the kernel read these events: names, fields and formats may be
 * added to, and not changed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM compaction

#if !defined(_TRACE_EVENTS_COMPACTION_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_EVENTS_COMPACTION_H

#include <linux/tracepoint.h>
#include <linux/types.h>
#include <trace/events/mmflags.h>

struct compact_control;

/* One call of a scanner: where it looked, at how many pages, how many it took */
#define COMPACT_SCAN_PROTO						\
	TP_PROTO(unsigned long start_pfn, unsigned long end_pfn,	\
		 unsigned long nr_scanned, unsigned long nr_taken)
#define COMPACT_SCAN_ARGS						\
	TP_ARGS(start_pfn, end_pfn, nr_scanned, nr_taken)
#define COMPACT_SCAN_FIELDS						\
	__field(unsigned long, start_pfn)				\
	__field(unsigned long, end_pfn)					\
	__field(unsigned long, nr_scanned)				\
	__field(unsigned long, nr_taken)

DECLARE_EVENT_CLASS(mm_compaction_isolate_template,
	COMPACT_SCAN_PROTO,
	COMPACT_SCAN_ARGS,
	TP_STRUCT__entry(COMPACT_SCAN_FIELDS),
	TP_fast_assign(
		__entry->nr_scanned = nr_scanned;
		__entry->nr_taken = nr_taken;
		__entry->start_pfn = start_pfn;
		__entry->end_pfn = end_pfn;
	),
	TP_printk("range=(0x%lx ~ 0x%lx) nr_scanned=%lu nr_taken=%lu",
		  __entry->start_pfn, __entry->end_pfn,
		  __entry->nr_scanned, __entry->nr_taken)
);

DEFINE_EVENT(mm_compaction_isolate_template, mm_compaction_isolate_migratepages,
	     COMPACT_SCAN_PROTO, COMPACT_SCAN_ARGS);

DEFINE_EVENT(mm_compaction_isolate_template, mm_compaction_isolate_freepages,
	     COMPACT_SCAN_PROTO, COMPACT_SCAN_ARGS);

#ifdef CONFIG_COMPACTION
/* One batch went through migration */
TRACE_EVENT(mm_compaction_migratepages,
	TP_PROTO(struct compact_control *cc, unsigned int nr_succeeded),
	TP_ARGS(cc, nr_succeeded),
	TP_STRUCT__entry(
		__field(unsigned long, nr_migrated)
		__field(unsigned long, nr_failed)
	),
	TP_fast_assign(
		__entry->nr_failed = cc->nr_migratepages - nr_succeeded;
		__entry->nr_migrated = nr_succeeded;
	),
	TP_printk("nr_migrated=%lu nr_failed=%lu",
		  __entry->nr_migrated, __entry->nr_failed)
);

/* A run over a zone; where the scanners stood at its begin and at its end */
#define COMPACT_RUN_FIELDS						\
	__field(unsigned long, zone_start)				\
	__field(unsigned long, migrate_pfn)				\
	__field(unsigned long, free_pfn)				\
	__field(unsigned long, zone_end)				\
	__field(bool, sync)

#define COMPACT_RUN_ASSIGN						\
	__entry->zone_start = zone_start;				\
	__entry->migrate_pfn = cc->migrate_pfn;				\
	__entry->free_pfn = cc->target.start_pfn;			\
	__entry->zone_end = zone_end;					\
	__entry->sync = sync;

#define COMPACT_RUN_FORMAT						\
	"zone_start=0x%lx migrate_pfn=0x%lx free_pfn=0x%lx zone_end=0x%lx, mode=%s"

#define COMPACT_RUN_VALUES						\
	__entry->zone_start, __entry->migrate_pfn, __entry->free_pfn,	\
	__entry->zone_end, __entry->sync ? "sync" : "async"

TRACE_EVENT(mm_compaction_begin,
	TP_PROTO(struct compact_control *cc, unsigned long zone_start,
		 unsigned long zone_end, bool sync),
	TP_ARGS(cc, zone_start, zone_end, sync),
	TP_STRUCT__entry(COMPACT_RUN_FIELDS),
	TP_fast_assign(COMPACT_RUN_ASSIGN),
	TP_printk(COMPACT_RUN_FORMAT, COMPACT_RUN_VALUES)
);

TRACE_EVENT(mm_compaction_end,
	TP_PROTO(struct compact_control *cc, unsigned long zone_start,
		 unsigned long zone_end, bool sync, int status),
	TP_ARGS(cc, zone_start, zone_end, sync, status),
	TP_STRUCT__entry(
		COMPACT_RUN_FIELDS
		__field(int, status)
	),
	TP_fast_assign(
		COMPACT_RUN_ASSIGN
		__entry->status = status;
	),
	TP_printk(COMPACT_RUN_FORMAT " status=%s", COMPACT_RUN_VALUES,
		  __print_symbolic(__entry->status, COMPACTION_STATUS))
);
#endif /* CONFIG_COMPACTION */

#endif /* _TRACE_EVENTS_COMPACTION_H */

/* define_trace.h reads this file again, so it stays outside the guard */
#include <trace/define_trace.h>
