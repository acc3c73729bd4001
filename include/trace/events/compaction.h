/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tools outside the kernel read these events: names, fields and formats may be
 * added to, and not changed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM compaction

#if !defined(_TRACE_EVENTS_COMPACTION_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_EVENTS_COMPACTION_H

#include <linux/compaction_zone.h>
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

/* An allocation that failed turns to direct compaction */
#define COMPACT_TRY_FIELDS						\
	__field(int, order)						\
	__field(unsigned long, gfp_mask)				\
	__field(int, prio)

TRACE_EVENT(mm_compaction_try_to_compact_pages,
	TP_PROTO(int order, gfp_t gfp_mask, int prio),
	TP_ARGS(order, gfp_mask, prio),
	TP_STRUCT__entry(COMPACT_TRY_FIELDS),
	TP_fast_assign(
		__entry->prio = prio;
		__entry->order = order;
		__entry->gfp_mask = (__force unsigned long)gfp_mask;
	),
	TP_printk("order=%d gfp_mask=%s priority=%d", __entry->order,
		  show_gfp_flags(__entry->gfp_mask), __entry->prio)
);

/* What was decided for a zone and an order */
#define COMPACT_ZONE_ENTRY						\
	__field(int, nid)						\
	__field(enum zone_type, idx)

#define COMPACT_ZONE_ASSIGN						\
	__entry->nid = zone_to_nid(zone);				\
	__entry->idx = zone_idx(zone);

#define COMPACT_ZONE_VALUES						\
	__entry->nid, __print_symbolic(__entry->idx, ZONE_TYPE)

#define COMPACT_RESULT_PROTO						\
	TP_PROTO(struct zone *zone, int order, int ret)
#define COMPACT_RESULT_ARGS	TP_ARGS(zone, order, ret)

DECLARE_EVENT_CLASS(mm_compaction_suitable_template,
	COMPACT_RESULT_PROTO,
	COMPACT_RESULT_ARGS,
	TP_STRUCT__entry(
		COMPACT_ZONE_ENTRY
		__field(int, order)
		__field(int, ret)
	),
	TP_fast_assign(
		COMPACT_ZONE_ASSIGN
		__entry->ret = ret;
		__entry->order = order;
	),
	TP_printk("node=%d zone=%-8s order=%d ret=%s",
		  COMPACT_ZONE_VALUES, __entry->order,
		  __print_symbolic(__entry->ret, COMPACTION_STATUS))
);

DEFINE_EVENT(mm_compaction_suitable_template, mm_compaction_finished,
	     COMPACT_RESULT_PROTO, COMPACT_RESULT_ARGS);

DEFINE_EVENT(mm_compaction_suitable_template, mm_compaction_suitable,
	     COMPACT_RESULT_PROTO, COMPACT_RESULT_ARGS);

/* A zone's record of failures, when it is asked and when it changes */
#define COMPACT_DEFER_PROTO	TP_PROTO(struct zone *zone, int order)
#define COMPACT_DEFER_ARGS	TP_ARGS(zone, order)

DECLARE_EVENT_CLASS(mm_compaction_defer_template,
	COMPACT_DEFER_PROTO,
	COMPACT_DEFER_ARGS,
	TP_STRUCT__entry(
		COMPACT_ZONE_ENTRY
		__field(int, order)
		__field(unsigned int, considered)
		__field(unsigned int, defer_shift)
		__field(int, order_failed)
	),
	TP_fast_assign(
		COMPACT_ZONE_ASSIGN
		__entry->order = order;
		__entry->order_failed = zone->compaction.order_failed;
		__entry->defer_shift = zone->compaction.defer_shift;
		__entry->considered = zone->compaction.considered;
	),
	TP_printk("node=%d zone=%-8s order=%d order_failed=%d consider=%u limit=%lu",
		  COMPACT_ZONE_VALUES, __entry->order, __entry->order_failed,
		  __entry->considered, 1UL << __entry->defer_shift)
);

DEFINE_EVENT(mm_compaction_defer_template, mm_compaction_deferred,
	     COMPACT_DEFER_PROTO, COMPACT_DEFER_ARGS);

DEFINE_EVENT(mm_compaction_defer_template, mm_compaction_defer_compaction,
	     COMPACT_DEFER_PROTO, COMPACT_DEFER_ARGS);

DEFINE_EVENT(mm_compaction_defer_template, mm_compaction_defer_reset,
	     COMPACT_DEFER_PROTO, COMPACT_DEFER_ARGS);

/* The daemon goes to sleep, is asked to work, and does */
TRACE_EVENT(mm_compaction_kcompactd_sleep,
	TP_PROTO(int nid),
	TP_ARGS(nid),
	TP_STRUCT__entry(__field(int, nid)),
	TP_fast_assign(__entry->nid = nid;),
	TP_printk("nid=%d", __entry->nid)
);

#define KCOMPACTD_WAKE_PROTO						\
	TP_PROTO(int nid, int order, enum zone_type highest_zoneidx)
#define KCOMPACTD_WAKE_ARGS	TP_ARGS(nid, order, highest_zoneidx)

/* The text has kept an older name of the field */
DECLARE_EVENT_CLASS(kcompactd_wake_template,
	KCOMPACTD_WAKE_PROTO,
	KCOMPACTD_WAKE_ARGS,
	TP_STRUCT__entry(
		__field(int, nid)
		__field(int, order)
		__field(enum zone_type, highest_zoneidx)
	),
	TP_fast_assign(
		__entry->highest_zoneidx = highest_zoneidx;
		__entry->order = order;
		__entry->nid = nid;
	),
	TP_printk("nid=%d order=%d classzone_idx=%-8s",
		  __entry->nid, __entry->order,
		  __print_symbolic(__entry->highest_zoneidx, ZONE_TYPE))
);

DEFINE_EVENT(kcompactd_wake_template, mm_compaction_wakeup_kcompactd,
	     KCOMPACTD_WAKE_PROTO, KCOMPACTD_WAKE_ARGS);

DEFINE_EVENT(kcompactd_wake_template, mm_compaction_kcompactd_wake,
	     KCOMPACTD_WAKE_PROTO, KCOMPACTD_WAKE_ARGS);

/* Not in 6.1: a page that stayed, or (without a pfn) a run that was in vain */
#define COMPACT_FAILURES(each, last)					\
	each(UNMOVABLE, "unmovable")					\
	each(HUGE, "huge")						\
	each(PERCPU, "percpu")						\
	each(BUSY, "busy")						\
	each(PINNED, "pinned")						\
	each(FILE, "file")						\
	each(MLOCKED, "mlocked")					\
	each(WRITEBACK, "writeback")					\
	each(DIRTY, "dirty")						\
	each(LOCKED, "locked")						\
	each(TARGET, "target")						\
	each(WATERMARK, "watermark")					\
	each(THRESHOLD, "threshold")					\
	each(CONTENDED, "contended")					\
	last(DEFERRED, "deferred")

/* Tools that read the raw figures are told the names */
#define COMPACT_FAILURE_ENUM(why, name)	TRACE_DEFINE_ENUM(COMPACT_FAIL_##why);
COMPACT_FAILURES(COMPACT_FAILURE_ENUM, COMPACT_FAILURE_ENUM)

#define COMPACT_FAILURE_LAST(why, name)	{ COMPACT_FAIL_##why, name }
#define COMPACT_FAILURE_NAME(why, name)	COMPACT_FAILURE_LAST(why, name),
#define COMPACT_FAILURE_NAMES						\
	COMPACT_FAILURES(COMPACT_FAILURE_NAME, COMPACT_FAILURE_LAST)

TRACE_EVENT(mm_compaction_failure,
	TP_PROTO(struct zone *zone, int why, unsigned long pfn,
		 unsigned long nr_pages),
	TP_ARGS(zone, why, pfn, nr_pages),
	TP_STRUCT__entry(
		COMPACT_ZONE_ENTRY
		__field(int, why)
		__field(unsigned long, pfn)
		__field(unsigned long, nr_pages)
	),
	TP_fast_assign(
		COMPACT_ZONE_ASSIGN
		__entry->why = why;
		__entry->pfn = pfn;
		__entry->nr_pages = nr_pages;
	),
	TP_printk("node=%d zone=%-8s reason=%s pfn=0x%lx nr_pages=%lu",
		  COMPACT_ZONE_VALUES,
		  __print_symbolic(__entry->why, COMPACT_FAILURE_NAMES),
		  __entry->pfn, __entry->nr_pages)
);
#endif /* CONFIG_COMPACTION */

#endif /* _TRACE_EVENTS_COMPACTION_H */

/* define_trace.h reads this file again, so it stays outside the guard */
#include <trace/define_trace.h>
