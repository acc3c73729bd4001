// SPDX-License-Identifier: GPL-2.0
/*
 * kcompactd: a daemon for each node with memory, which compacts while nobody
 * waits for it. It has two kinds of work:
 *
 * - Somebody has reclaimed for a high order, or found the node fragmented when
 *   it allocated, and wakes it: it compacts the zones that would serve that
 *   order until they have a page of it.
 * - Every half second it looks at the node's fragmentation. If that is worse
 *   than the administrator wishes, it compacts until it is better again. If
 *   that was in vain it leaves the node alone for half a minute.
 *
 *   /proc/sys/vm/compaction_proactiveness (0644): 0 to 100, how much of the
 *	second kind is wished for; a write asks for it at once
 *
 * Requests are left in the node's kcompactd_max_order and
 * kcompactd_highest_zoneidx without a lock. One that is overwritten in a race
 * is one of two that came together, and the next failing allocation asks again.
 */
#include <linux/compaction.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/freezer.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/psi.h>
#include <linux/sysctl.h>
#include <linux/topology.h>
#include <trace/events/compaction.h>
#include "internal.h"

/* How often the fragmentation is looked at, and when again if work was in vain */
#define PROACTIVE_INTERVAL	msecs_to_jiffies(500)
#define PROACTIVE_BACKOFF	msecs_to_jiffies(32 * MSEC_PER_SEC)

/*
 * Fragmentation is measured against what one entry of a PMD maps: a huge page,
 * unless that is more than there can be in one piece.
 */
#define SCORE_ORDER	min(PMD_SHIFT - PAGE_SHIFT, MAX_ORDER - 1)

unsigned int sysctl_compaction_proactiveness __read_mostly = 20;

static unsigned int zone_score(struct zone *zone)
{
	return extfrag_for_order(zone, SCORE_ORDER);
}

/**
 * compact_node_score - how fragmented is a node?
 * @pgdat: the node
 *
 * The mean of its zones' external fragmentation, each with the weight of its
 * size, so that a small zone for special purposes counts for little.
 *
 * Return: 0 to 100.
 */
unsigned int compact_node_score(pg_data_t *pgdat)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct zone *zone = &pgdat->node_zones[i];

		if (populated_zone(zone))
			sum += (u64)zone->present_pages * zone_score(zone);
	}
	return div64_u64(sum, pgdat->node_present_pages + 1);
}

/**
 * compact_score_to_reach - how far is fragmentation to be brought down?
 * @proactiveness: what the administrator wishes, 1 to 100
 *
 * Return: a score; never less than 5, as the last bit is the most expensive.
 */
unsigned int compact_score_to_reach(unsigned int proactiveness)
{
	return max(100 - min(proactiveness, 100U), 5U);
}

/**
 * compact_score_to_begin - at what fragmentation does the work begin?
 * @proactiveness: what the administrator wishes, 1 to 100
 *
 * Return: a score, some way above the one to be reached.
 */
unsigned int compact_score_to_begin(unsigned int proactiveness)
{
	return min(compact_score_to_reach(proactiveness) + 10, 100U);
}

/* The lock keeps kswapd from being stopped, and freed, under our eyes. */
static bool reclaim_is_busy(pg_data_t *pgdat)
{
	bool busy = false;

	pgdat_kswapd_lock(pgdat);
	if (pgdat->kswapd)
		busy = task_is_running(pgdat->kswapd);
	pgdat_kswapd_unlock(pgdat);
	return busy;
}

/* To compact for the future is not to disturb those who need memory now. */
static bool should_compact_proactively(pg_data_t *pgdat)
{
	unsigned int wish = READ_ONCE(sysctl_compaction_proactiveness);

	return wish && !reclaim_is_busy(pgdat) &&
	       compact_node_score(pgdat) > compact_score_to_begin(wish);
}

static enum compact_result proactive_goal(struct compact_control *cc)
{
	unsigned int wish = READ_ONCE(sysctl_compaction_proactiveness);

	if (!wish || kthread_should_stop() || freezing(current) ||
	    reclaim_is_busy(cc->zone->zone_pgdat))
		return COMPACT_PARTIAL_SKIPPED;
	if (zone_score(cc->zone) <= compact_score_to_reach(wish))
		return COMPACT_SUCCESS;

	return COMPACT_CONTINUE;
}

static enum compact_result daemon_compact_zone(struct compact_control *cc)
{
	enum compact_result result = compact_zone(cc);

	count_vm_events(KCOMPACTD_MIGRATE_SCANNED, cc->total_migrate_scanned);
	count_vm_events(KCOMPACTD_FREE_SCANNED, cc->total_free_scanned);
	return result;
}

static void compact_proactively(pg_data_t *pgdat)
{
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++) {
		struct compact_control cc = {
			.zone = &pgdat->node_zones[i],
			.order = -1,
			.gfp_mask = GFP_KERNEL,
			.mode = MIGRATE_SYNC_LIGHT,
			.from_the_ends = true,
			.whole_blocks = pageblock_order <= SCORE_ORDER,
			.goal = proactive_goal,
		};

		if (!populated_zone(cc.zone) ||
		    proactive_goal(&cc) != COMPACT_CONTINUE)
			continue;

		daemon_compact_zone(&cc);
		/* what has been freed counts once it has merged */
		drain_all_pages(cc.zone);
	}
}

/* Returns after how many jiffies to look again. */
static long proactive_work(pg_data_t *pgdat)
{
	unsigned int before, after;

	if (!should_compact_proactively(pgdat))
		return PROACTIVE_INTERVAL;

	before = compact_node_score(pgdat);
	compact_proactively(pgdat);
	after = compact_node_score(pgdat);

	return after < before ? PROACTIVE_INTERVAL : PROACTIVE_BACKOFF;
}

/*
 * One zone, for one order; it remembers a failure as direct compaction does. The
 * zone has to be short of the order both for allocations that want this very
 * zone and for the one that asked, which may have to leave more of it in reserve.
 */
static void compact_zone_for_order(struct zone *zone, int order,
				   int highest_zoneidx)
{
	struct compact_control cc = {
		.zone = zone,
		.order = order,
		.migratetype = gfp_migratetype(GFP_KERNEL),
		.gfp_mask = GFP_KERNEL,
		.mode = MIGRATE_SYNC_LIGHT,
	};

	if (compact_deferred(zone, order)) {
		compact_failed_run(zone, COMPACT_FAIL_DEFERRED);
		return;
	}
	if (compact_verdict(zone, order, 0, zone_idx(zone)) !=
	    COMPACT_CONTINUE ||
	    compact_verdict(zone, order, 0, highest_zoneidx) !=
	    COMPACT_CONTINUE)
		return;

	switch (daemon_compact_zone(&cc)) {
	case COMPACT_SUCCESS:
		compaction_defer_reset(zone, order, false);
		break;
	case COMPACT_COMPLETE:
	case COMPACT_PARTIAL_SKIPPED:
		/*
		 * Perhaps all that is missing waits on other CPUs' lists.
		 * Deferral sees to it that they are not asked too often.
		 */
		drain_all_pages(zone);
		compact_defer(zone, order);
		break;
	default:
		break;
	}
}

static void requested_work(pg_data_t *pgdat)
{
	int order = READ_ONCE(pgdat->kcompactd_max_order);
	int highest = READ_ONCE(pgdat->kcompactd_highest_zoneidx);
	unsigned long pflags;
	int i;

	trace_mm_compaction_kcompactd_wake(pgdat->node_id, order, highest);
	count_vm_event(KCOMPACTD_WAKE);

	psi_memstall_enter(&pflags);
	for (i = 0; i <= highest && !kthread_should_stop(); i++) {
		struct zone *zone = &pgdat->node_zones[i];

		if (populated_zone(zone))
			compact_zone_for_order(zone, order, highest);
	}
	psi_memstall_leave(&pflags);

	/* Requests that go beyond what has been done stay. */
	if (READ_ONCE(pgdat->kcompactd_max_order) <= order)
		WRITE_ONCE(pgdat->kcompactd_max_order, 0);
	if (READ_ONCE(pgdat->kcompactd_highest_zoneidx) >= highest)
		WRITE_ONCE(pgdat->kcompactd_highest_zoneidx,
			   pgdat->nr_zones - 1);
}

static bool work_requested(pg_data_t *pgdat)
{
	return READ_ONCE(pgdat->kcompactd_max_order) > 0 ||
	       READ_ONCE(pgdat->proactive_compact_trigger) ||
	       kthread_should_stop();
}

/* Until somebody asks for work, or it is time for the second kind. */
static void kcompactd_sleep(pg_data_t *pgdat, unsigned long next)
{
	long timeout = max_t(long, next - jiffies, 0);

	/* Without the second kind of work there is nothing to look after. */
	if (!READ_ONCE(sysctl_compaction_proactiveness))
		timeout = MAX_SCHEDULE_TIMEOUT;

	trace_mm_compaction_kcompactd_sleep(pgdat->node_id);
	wait_event_freezable_timeout(pgdat->kcompactd_wait,
				     work_requested(pgdat), timeout);
}

static int kcompactd(void *data)
{
	pg_data_t *pgdat = data;
	const struct cpumask *cpus = cpumask_of_node(pgdat->node_id);
	unsigned long next = jiffies + PROACTIVE_INTERVAL;
	unsigned long pause;

	if (!cpumask_empty(cpus))
		set_cpus_allowed_ptr(current, cpus);
	set_freezable();

	while (!kthread_should_stop()) {
		kcompactd_sleep(pgdat, next);

		if (READ_ONCE(pgdat->proactive_compact_trigger)) {
			WRITE_ONCE(pgdat->proactive_compact_trigger, false);
		} else if (READ_ONCE(pgdat->kcompactd_max_order) > 0) {
			/* the other kind of work comes when it is due */
			requested_work(pgdat);
			continue;
		}
		/* it begins when the work ends */
		pause = proactive_work(pgdat);
		next = jiffies + pause;
	}
	return 0;
}

/* Is there a zone that the daemon could do something about? */
static bool node_suitable(pg_data_t *pgdat)
{
	int order = READ_ONCE(pgdat->kcompactd_max_order);
	int highest = READ_ONCE(pgdat->kcompactd_highest_zoneidx);
	int i;

	for (i = 0; i <= highest; i++) {
		struct zone *zone = &pgdat->node_zones[i];

		if (populated_zone(zone) &&
		    compaction_suitable(zone, order, 0, highest) ==
		    COMPACT_CONTINUE)
			return true;
	}
	return false;
}

/**
 * wakeup_kcompactd - ask a node's daemon for pages of an order
 * @pgdat: the node
 * @order: the order that is wanted; 0 is no request
 * @highest_zoneidx: the highest zone that would serve
 *
 * Context: any, also with spinlocks held and interrupts off. Takes no lock
 * before it knows that the daemon sleeps and could do something.
 */
void wakeup_kcompactd(pg_data_t *pgdat, int order, int highest_zoneidx)
{
	if (!order)
		return;

	if (READ_ONCE(pgdat->kcompactd_max_order) < order)
		WRITE_ONCE(pgdat->kcompactd_max_order, order);
	if (READ_ONCE(pgdat->kcompactd_highest_zoneidx) > highest_zoneidx)
		WRITE_ONCE(pgdat->kcompactd_highest_zoneidx, highest_zoneidx);

	/*
	 * The barrier in here, and the one that a sleeper passes between
	 * queueing itself and looking for work, see to it that either it sees
	 * the request or it is seen.
	 */
	if (!wq_has_sleeper(&pgdat->kcompactd_wait) || !node_suitable(pgdat))
		return;

	trace_mm_compaction_wakeup_kcompactd(pgdat->node_id, order,
					     highest_zoneidx);
	wake_up_interruptible(&pgdat->kcompactd_wait);
}

/**
 * pgdat_init_kcompactd - make a node ready to be woken, before it has a daemon
 * @pgdat: the node
 */
void __meminit pgdat_init_kcompactd(pg_data_t *pgdat)
{
	init_waitqueue_head(&pgdat->kcompactd_wait);
}

/**
 * kcompactd_run - start the daemon of a node, unless it is there
 * @nid: a node with memory
 *
 * Context: process context, may sleep; at boot, or under mem_hotplug_begin().
 */
void kcompactd_run(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	struct task_struct *task;

	if (pgdat->kcompactd)
		return;

	pgdat->kcompactd_max_order = 0;
	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;
	pgdat->proactive_compact_trigger = false;

	task = kthread_run(kcompactd, pgdat, "kcompactd%d", nid);
	if (IS_ERR(task)) {
		pr_err("kcompactd%d could not be started: %ld\n", nid,
		       PTR_ERR(task));
		return;
	}
	pgdat->kcompactd = task;
}

/**
 * kcompactd_stop - stop the daemon of a node, if there is one
 * @nid: a node that has lost its last memory
 *
 * Context: process context, may sleep; under mem_hotplug_begin().
 */
void kcompactd_stop(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);

	if (!pgdat->kcompactd)
		return;

	kthread_stop(pgdat->kcompactd);
	pgdat->kcompactd = NULL;
}

/*
 * A daemon whose last CPU goes is let run anywhere by the scheduler; bring it
 * home when one comes back. CPU hotplug and memory hotplug exclude each other,
 * so no daemon starts or ends meanwhile.
 */
static int kcompactd_cpu_online(unsigned int cpu)
{
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		const struct cpumask *cpus = cpumask_of_node(nid);
		struct task_struct *task = NODE_DATA(nid)->kcompactd;

		if (task && cpumask_intersects(cpu_online_mask, cpus))
			set_cpus_allowed_ptr(task, cpus);
	}
	return 0;
}

static int proactiveness_handler(struct ctl_table *table, int write,
				 void *buffer, size_t *length, loff_t *ppos)
{
	int ret = proc_dointvec_minmax(table, write, buffer, length, ppos);
	int nid;

	if (ret || !write || !READ_ONCE(sysctl_compaction_proactiveness))
		return ret;

	for_each_online_node(nid) {
		pg_data_t *pgdat = NODE_DATA(nid);

		WRITE_ONCE(pgdat->proactive_compact_trigger, true);
		wake_up_interruptible(&pgdat->kcompactd_wait);
	}
	return 0;
}

static struct ctl_table kcompactd_sysctls[] = {
	{
		.procname	= "compaction_proactiveness",
		.data		= &sysctl_compaction_proactiveness,
		.maxlen		= sizeof(sysctl_compaction_proactiveness),
		.mode		= 0644,
		.proc_handler	= proactiveness_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE_HUNDRED,
	},
	{ }
};

static int __init kcompactd_init(void)
{
	int nid, ret;

	register_sysctl_init("vm", kcompactd_sysctls);

	ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN,
					"mm/compaction:online",
					kcompactd_cpu_online, NULL);
	if (ret < 0) {
		pr_err("kcompactd: no CPU hotplug callback: %d\n", ret);
		return ret;
	}

	for_each_node_state(nid, N_MEMORY)
		kcompactd_run(nid);
	return 0;
}
subsys_initcall(kcompactd_init);
