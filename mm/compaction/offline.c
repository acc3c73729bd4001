// SPDX-License-Identifier: GPL-2.0
/*
 * Scanning memory that may go offline.
 *
 * The scanners look at pages without a reference and without a lock, and memory
 * that goes offline takes its struct pages with it. Offlining marks the blocks
 * MIGRATE_ISOLATE first, and the scanners leave such blocks alone; but one that
 * has looked just before is still under way. So a look at a block, whether it is
 * online and of what type, and the scan that relies on it are one read-side section
 * of SRCU. Offlining waits for those that began earlier, twice: once it has marked
 * its blocks, for who works on them; and once they are no longer online, for who
 * has found that they were and has not come to their type, since that goes too.
 *
 * What a scanner takes out of a block needs no such care: its references keep the
 * block from going offline.
 */
#include <linux/init.h>
#include <linux/memory.h>
#include <linux/notifier.h>
#include <linux/srcu.h>
#include "internal.h"

DEFINE_SRCU(compact_scans);

static int compact_memory_callback(struct notifier_block *self,
				   unsigned long action, void *arg)
{
	if (action == MEM_GOING_OFFLINE || action == MEM_OFFLINE)
		synchronize_srcu(&compact_scans);
	return NOTIFY_OK;
}

static int __init compact_offline_init(void)
{
	return hotplug_memory_notifier(compact_memory_callback, 0);
}
subsys_initcall(compact_offline_init);
