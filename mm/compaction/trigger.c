// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator's doors.
 *
 *   /proc/sys/vm/compact_memory (0200): a write compacts every zone of every
 *	online node and returns when that is done
 *   /proc/sys/vm/compact_unevictable_allowed (0644): may mlocked pages move?
 *   /sys/devices/system/node/nodeN/compact (0200): the same for one node
 */
#include <linux/compaction.h>
#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/node.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include <linux/sysctl.h>
#include "internal.h"

static void compact_whole_zone(struct zone *zone)
{
	struct compact_control cc = {
		.zone = zone,
		.order = -1,
		.gfp_mask = GFP_KERNEL,
		.mode = MIGRATE_SYNC,
		.from_the_ends = true,
	};

	/*
	 * Free pages on the per-cpu lists are neither free to take nor in use
	 * to be moved: each one spoils its block. So they go before the run,
	 * and those that the run has freed go after it and merge.
	 */
	drain_all_pages(zone);
	compact_zone(&cc);
	drain_all_pages(zone);
}

static void compact_node(int nid)
{
	pg_data_t *pgdat = NODE_DATA(nid);
	struct zone *zone;

	for (zone = pgdat->node_zones;
	     zone < pgdat->node_zones + MAX_NR_ZONES; zone++) {
		if (fatal_signal_pending(current))
			return;
		if (populated_zone(zone))
			compact_whole_zone(zone);
	}
}

/*
 * Any write will do, whatever is written, as it always has. Nobody waits for
 * the lock of a page fault here, so the other CPUs can be asked to put their
 * pages on the LRU lists.
 */
static int sysctl_compaction_handler(struct ctl_table *table, int write,
				     void *buffer, size_t *length, loff_t *ppos)
{
	int nid;

	if (!write)
		return 0;

	lru_add_drain_all();
	for_each_online_node(nid)
		compact_node(nid);

	return 0;
}

/*
 * On PREEMPT_RT the default keeps mlocked pages in place, since a fault on one
 * that is moving waits; note in the log who changes that.
 */
static int sysctl_unevictable_handler(struct ctl_table *table, int write,
				      void *buffer, size_t *length,
				      loff_t *ppos)
{
	int old = sysctl_compact_unevictable_allowed;
	int ret = proc_dointvec_minmax(table, write, buffer, length, ppos);

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && write && !ret &&
	    sysctl_compact_unevictable_allowed != old)
		pr_warn_once("sysctl attribute %s changed by %s[%d]\n",
			     table->procname, current->comm,
			     task_pid_nr(current));
	return ret;
}

#if defined(CONFIG_SYSFS) && defined(CONFIG_NUMA)
/* As for compact_memory, any write will do. */
static ssize_t compact_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	lru_add_drain_all();
	compact_node(dev->id);

	return count;
}
static DEVICE_ATTR_WO(compact);

/**
 * compaction_register_node - give a node its trigger
 * @node: a node whose device has been registered
 *
 * Return: 0 or an error.
 */
int compaction_register_node(struct node *node)
{
	return device_create_file(&node->dev, &dev_attr_compact);
}

/**
 * compaction_unregister_node - take it away; waits for writes to end
 * @node: the node, whose device is about to be unregistered
 */
void compaction_unregister_node(struct node *node)
{
	device_remove_file(&node->dev, &dev_attr_compact);
}
#endif /* CONFIG_SYSFS && CONFIG_NUMA */

static struct ctl_table compaction_sysctls[] = {
	{
		.procname	= "compact_memory",
		.maxlen		= sizeof(int),
		.mode		= 0200,
		.proc_handler	= sysctl_compaction_handler,
	},
	{
		.procname	= "compact_unevictable_allowed",
		.data		= &sysctl_compact_unevictable_allowed,
		.maxlen		= sizeof(int),
		.mode		= 0644,
		.proc_handler	= sysctl_unevictable_handler,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
	{ }
};

static int __init compaction_sysctl_init(void)
{
	register_sysctl_init("vm", compaction_sysctls);
	return 0;
}
subsys_initcall(compaction_sysctl_init);
