// SPDX-License-Identifier: GPL-2.0
/*
 * A client of alloc_contig_pages(), which the kernel has for gigantic pages alone.
 *
 *   /sys/kernel/debug/alloc_contig (0200): a write of N allocates N pages in a row
 *	anywhere, and frees them again; -ENOMEM if there are none to be had
 */
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

#define MAX_PAGES	0x40000

static struct page *(*contig_pages)(unsigned long nr_pages, gfp_t gfp_mask,
				    int nid, nodemask_t *nodemask);
static void (*free_range)(unsigned long pfn, unsigned long nr_pages);

static int alloc_contig_set(void *data, u64 nr)
{
	struct page *page;

	if (!nr || nr > MAX_PAGES)
		return -EINVAL;
	page = contig_pages(nr, GFP_KERNEL | __GFP_NOWARN, numa_node_id(), NULL);
	if (!page)
		return -ENOMEM;
	free_range(page_to_pfn(page), nr);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(alloc_contig_fops, NULL, alloc_contig_set, "%llu\n");

static struct dentry *contig_file;

/* A probe finds functions that are not exported. */
static void *address_of(const char *symbol)
{
	struct kprobe kp = { .symbol_name = symbol };

	if (register_kprobe(&kp))
		return NULL;
	unregister_kprobe(&kp);
	return kp.addr;
}

static int __init contig_init(void)
{
	contig_pages = address_of("alloc_contig_pages");
	free_range = address_of("free_contig_range");
	if (!contig_pages || !free_range)
		return -ENOENT;
	contig_file = debugfs_create_file_unsafe("alloc_contig", 0200, NULL, NULL,
						 &alloc_contig_fops);
	return PTR_ERR_OR_ZERO(contig_file);
}

static void __exit contig_exit(void)
{
	debugfs_remove(contig_file);
}

module_init(contig_init);
module_exit(contig_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Contiguous ranges on demand, for tests");
