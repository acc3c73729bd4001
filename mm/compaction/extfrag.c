// SPDX-License-Identifier: GPL-2.0
/*
 * How fragmented is a zone? Three figures, all computed from the numbers of
 * free pages of each order, and all with respect to one order that is wanted:
 *
 *   fragmentation index	-1.000 if a page of the order is free; otherwise
 *				whether lack of memory (towards 0) or
 *				fragmentation (towards 1) is to blame
 *   unusable free space index	the share of free memory in smaller pages, 0 to 1
 *   external fragmentation	the same in percent
 *
 * The first two are shown in debugfs, as thousandths:
 *
 *   extfrag/extfrag_index, extfrag/unusable_index (0444): one line for each zone
 *	with a figure for each order
 *
 * Both indices come from Mel Gorman's series of April 2010.
 */
#include <linux/compaction.h>
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/mmzone.h>
#include <linux/seq_file.h>
#include "extfrag.h"

/**
 * compact_count_free - sum up the free lists of a zone
 * @zone: the zone
 * @order: the order that is wanted
 * @free: what was found
 *
 * Context: any. No lock is taken; each list is read once, so that the figures
 * agree with one another even if the lists change.
 */
void compact_count_free(struct zone *zone, unsigned int order,
			struct free_summary *free)
{
	unsigned int o;

	*free = (struct free_summary) { .pages = 0 };

	for (o = 0; o < MAX_ORDER; o++) {
		u64 nr = READ_ONCE(zone->free_area[o].nr_free);

		free->blocks += nr;
		free->pages += nr << o;
		if (o >= order)
			free->suitable += nr << o;
	}
}

/**
 * compact_extfrag_index - the fragmentation index from a summary
 * @free: of compact_count_free() for the same order
 * @order: the order that is wanted
 *
 * With F free pages in B blocks, and R pages wanted, the index is
 * 1 - (1 + F / R) / B: if F is little more than R's size, few blocks suffice to
 * hold it and the index is small; if F would do for R many times over and is
 * still in pieces, there are many pieces and the index is near 1.
 *
 * Return: -1000 if a page of the order is free, otherwise thousandths. A zone
 * without any free page lacks memory: 0.
 */
int compact_extfrag_index(const struct free_summary *free, unsigned int order)
{
	u64 part;

	if (free->suitable)
		return -1000;
	if (!free->blocks)
		return 0;

	/* 2^44 pages would still fit; a single block can hold more than all */
	part = 1000 + ((free->pages * 1000) >> order);
	return 1000 - (int)min_t(u64, div64_u64(part, free->blocks), 1000);
}

/* Of @whole, how many parts in @scale are not suitable? */
static unsigned int unusable(const struct free_summary *free,
			     unsigned int scale)
{
	return div64_u64((free->pages - free->suitable) * scale, free->pages);
}

/**
 * compact_unusable_index - the unusable free space index from a summary
 * @free: of compact_count_free()
 *
 * Return: thousandths. If nothing is free, nothing can be used: 1000.
 */
unsigned int compact_unusable_index(const struct free_summary *free)
{
	return free->pages ? unusable(free, 1000) : 1000;
}

/**
 * fragmentation_index - would an allocation fail, and is fragmentation to blame?
 * @zone: the zone
 * @order: the order that is wanted, less than MAX_ORDER
 *
 * Context: any.
 * Return: -1000 if a page of that order is free; otherwise 0 (memory is lacking)
 * to 1000 (memory is in pieces).
 */
int fragmentation_index(struct zone *zone, unsigned int order)
{
	struct free_summary free;

	compact_count_free(zone, order, &free);
	return compact_extfrag_index(&free, order);
}

/**
 * extfrag_for_order - external fragmentation
 * @zone: the zone
 * @order: the order that is wanted, less than MAX_ORDER
 *
 * Context: any.
 * Return: per cent of the free pages that are not part of a free page of @order
 * or more; 0 if nothing is free.
 */
unsigned int extfrag_for_order(struct zone *zone, unsigned int order)
{
	struct free_summary free;

	compact_count_free(zone, order, &free);
	return free.pages ? unusable(&free, 100) : 0;
}

#ifdef CONFIG_DEBUG_FS
static void show_thousandths(struct seq_file *m, int value)
{
	seq_printf(m, "%s%d.%03d ", value < 0 ? "-" : "", abs(value) / 1000,
		   abs(value) % 1000);
}

static void show_zone_name(struct seq_file *m, struct zone *zone)
{
	seq_printf(m, "Node %d, zone %8s ", zone_to_nid(zone), zone->name);
}

static int extfrag_index_show(struct seq_file *m, void *v)
{
	struct zone *zone;
	int order;

	for_each_populated_zone(zone) {
		show_zone_name(m, zone);
		for (order = 0; order < MAX_ORDER; order++) {
			int index = fragmentation_index(zone, order);

			/* columns stay in line */
			if (index >= 0)
				seq_putc(m, ' ');
			show_thousandths(m, index);
		}
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(extfrag_index);

static int unusable_index_show(struct seq_file *m, void *v)
{
	struct free_summary free;
	struct zone *zone;
	int order;

	for_each_populated_zone(zone) {
		show_zone_name(m, zone);
		for (order = 0; order < MAX_ORDER; order++) {
			compact_count_free(zone, order, &free);
			show_thousandths(m, compact_unusable_index(&free));
		}
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(unusable_index);

static int __init extfrag_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("extfrag", NULL);

	debugfs_create_file("extfrag_index", 0444, dir, NULL,
			    &extfrag_index_fops);
	debugfs_create_file("unusable_index", 0444, dir, NULL,
			    &unusable_index_fops);
	return 0;
}
late_initcall(extfrag_debugfs_init);
#endif /* CONFIG_DEBUG_FS */
