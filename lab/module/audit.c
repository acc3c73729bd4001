// SPDX-License-Identifier: GPL-2.0
/*
 * Audits the free pages of each zone, exactly, while the zone is in use.
 *
 *   /sys/kernel/debug/free_audit (0400): a line for each populated zone
 *
 *	node N zone NAME counted C listed L cma-counted C cma-listed L
 *	     misplaced M bad B
 *
 * counted is NR_FREE_PAGES, listed what lies on the free lists; the same for CMA.
 * Both change under zone->lock alone, which is held while they are looked at; the
 * per-cpu parts of a counter are added to it. A CPU folds its part into the zone's
 * without the lock, by two steps in between which the sum is wrong: so if it is, it
 * is looked at again.
 *
 * misplaced: free pages that are on a list where 6.1 promises that they are not. A
 * free page may be on the list of another type than its pageblock's, as pages
 * change lists one by one and blocks change type; but one in an isolated block is
 * on the list of isolated ones and no other is, and likewise for CMA. bad: free
 * pages that do not look free: no PageBuddy, another order, another zone; and blocks
 * that compaction's index counts wrong or has lost, in a kernel that can tell.
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/page-isolation.h>
#include <linux/pageblock-flags.h>
#include <linux/seq_file.h>
#include <linux/vmstat.h>

#define TRIES	100

struct audit {
	long counted;
	long listed;
	long cma_counted;
	long cma_listed;
	long misplaced;
	long bad;
};

/* Not for modules, as a rule. */
static unsigned long (*pfnblock_flags)(const struct page *page,
				       unsigned long pfn, unsigned long mask);
static unsigned long (*index_check)(struct zone *zone);	/* or NULL */

static long count_of(struct zone *zone, enum zone_stat_item item)
{
	long sum = atomic_long_read(&zone->vm_stat[item]);
	int cpu;

	for_each_online_cpu(cpu)
		sum += per_cpu_ptr(zone->per_cpu_zonestats, cpu)->vm_stat_diff[item];
	return sum;
}

/* Of these two a block is all of one kind or not at all. */
static bool special(int migratetype)
{
	return is_migrate_isolate(migratetype) || is_migrate_cma(migratetype);
}

/* A free page may cover several pageblocks. */
static bool misplaced(struct page *page, unsigned int order, int type)
{
	unsigned long pfn = page_to_pfn(page);
	unsigned long end_pfn = pfn + (1UL << order);

	for (; pfn < end_pfn; pfn += pageblock_nr_pages) {
		int block = pfnblock_flags(page, pfn, MIGRATETYPE_MASK);

		if (block != type && (special(block) || special(type)))
			return true;
	}
	return false;
}

static void look_at_page(struct audit *audit, struct zone *zone,
			 struct page *page, unsigned int order, int type)
{
	unsigned long pfn = page_to_pfn(page);
	long nr = 1L << order;

	audit->listed += is_migrate_isolate(type) ? 0 : nr;
	if (is_migrate_cma(type))
		audit->cma_listed += nr;
	if (misplaced(page, order, type))
		audit->misplaced += nr;
	if (!PageBuddy(page) || page_private(page) != order ||
	    page_zone(page) != zone || pfn & (nr - 1))
		audit->bad += nr;
}

static void look_at_zone(struct audit *audit, struct zone *zone)
{
	unsigned int order;
	unsigned long flags;
	struct page *page;
	int type;

	memset(audit, 0, sizeof(*audit));
	spin_lock_irqsave(&zone->lock, flags);
	audit->counted = count_of(zone, NR_FREE_PAGES);
	audit->cma_counted = count_of(zone, NR_FREE_CMA_PAGES);
	for (order = 0; order < MAX_ORDER; order++)
		for (type = 0; type < MIGRATE_TYPES; type++)
			list_for_each_entry(page, &zone->free_area[order].free_list[type], lru)
				look_at_page(audit, zone, page, order, type);
	spin_unlock_irqrestore(&zone->lock, flags);
}

static void audit_zone(struct seq_file *m, struct zone *zone)
{
	struct audit audit;
	int i;

	for (i = 0; i < TRIES; i++) {
		look_at_zone(&audit, zone);
		if (audit.counted == audit.listed &&
		    audit.cma_counted == audit.cma_listed)
			break;
		cond_resched();
	}
	if (index_check)
		audit.bad += index_check(zone);
	seq_printf(m, "node %d zone %s counted %ld listed %ld cma-counted %ld cma-listed %ld misplaced %ld bad %ld\n",
		   zone->zone_pgdat->node_id, zone->name, audit.counted,
		   audit.listed, audit.cma_counted, audit.cma_listed,
		   audit.misplaced, audit.bad);
}

static int free_audit_show(struct seq_file *m, void *unused)
{
	int nid, i;

	for_each_online_node(nid)
		for (i = 0; i < MAX_NR_ZONES; i++)
			if (populated_zone(&NODE_DATA(nid)->node_zones[i]))
				audit_zone(m, &NODE_DATA(nid)->node_zones[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(free_audit);

static struct dentry *audit_file;

/* A probe finds functions that are not exported. */
static void *address_of(const char *symbol)
{
	struct kprobe kp = { .symbol_name = symbol };

	if (register_kprobe(&kp))
		return NULL;
	unregister_kprobe(&kp);
	return kp.addr;
}

static int __init audit_init(void)
{
	pfnblock_flags = address_of("get_pfnblock_flags_mask");
	if (!pfnblock_flags)
		return -ENOENT;
	index_check = address_of("compact_index_check");
	audit_file = debugfs_create_file("free_audit", 0400, NULL, NULL,
					 &free_audit_fops);
	return PTR_ERR_OR_ZERO(audit_file);
}

static void __exit audit_exit(void)
{
	debugfs_remove(audit_file);
}

module_init(audit_init);
module_exit(audit_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("An exact audit of the free lists, for tests");
