// SPDX-License-Identifier: GPL-2.0
/*
 * A client of alloc_contig_pages(), which the kernel has for gigantic pages alone.
 *
 *   /sys/kernel/debug/alloc_contig (0200): a write of N allocates N pages in a row
 *	anywhere, and frees them again; -ENOMEM if there are none to be had
 *   /sys/kernel/debug/alloc_whole (0200): a write of N takes the largest page that
 *	the buddy allocator has, keeps it for N microseconds and frees it whole
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
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

/* Not a compound page: isolation takes all of it but the head for free. */
static int alloc_whole_set(void *data, u64 us)
{
	struct page *page;

	if (!us || us > USEC_PER_SEC)
		return -EINVAL;
	page = alloc_pages(GFP_HIGHUSER_MOVABLE | __GFP_NOWARN | __GFP_NORETRY,
			   MAX_ORDER - 1);
	if (!page)
		return -ENOMEM;
	fsleep(us);
	__free_pages(page, MAX_ORDER - 1);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(alloc_whole_fops, NULL, alloc_whole_set, "%llu\n");

static struct dentry *contig_file, *whole_file;

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
	whole_file = debugfs_create_file_unsafe("alloc_whole", 0200, NULL, NULL,
						&alloc_whole_fops);
	return 0;
}

static void __exit contig_exit(void)
{
	debugfs_remove(whole_file);
	debugfs_remove(contig_file);
}

module_init(contig_init);
module_exit(contig_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Contiguous ranges on demand, for tests");
