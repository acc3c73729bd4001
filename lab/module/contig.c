// SPDX-License-Identifier: GPL-2.0
/*
 * A client of alloc_contig_pages(), which the kernel has for gigantic pages alone; and
 * one that wants small orders as the kernel itself does.
 *
 *   /sys/kernel/debug/alloc_contig (0200): a write of N allocates N pages in a row
 *	anywhere, and frees them again; -ENOMEM if there are none to be had
 *   /sys/kernel/debug/alloc_whole (0200): a write of N takes the largest page that
 *	the buddy allocator has, keeps it for N microseconds and frees it whole
 *   /sys/kernel/debug/alloc_small (0200): a write of N takes N pages of order 3, the
 *	largest for which the OOM killer is called, and keeps them until the next
 *	write; -ENOMEM if one is not to be had, -EINTR if the writer is killed
 *   /sys/kernel/debug/alloc_must (0200): the same with __GFP_NOFAIL and order 1, the
 *	largest that may have it
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>

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

/* What has been kept, one after the other. */
static DEFINE_MUTEX(kept_lock);
static struct page *kept;
static unsigned int kept_order;

static void free_kept(void)
{
	struct page *page;

	while ((page = kept)) {
		kept = (struct page *)page_private(page);
		set_page_private(page, 0);
		__free_pages(page, kept_order);
	}
}

static int keep_pages(u64 nr, unsigned int order, gfp_t gfp_mask)
{
	struct page *page;

	free_kept();
	for (kept_order = order; nr; nr--) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = alloc_pages(gfp_mask, order);
		if (!page)
			return -ENOMEM;
		set_page_private(page, (unsigned long)kept);
		kept = page;
	}
	return 0;
}

static int alloc_kept(u64 nr, unsigned int order, gfp_t gfp_mask)
{
	int ret;

	if (nr > MAX_PAGES)
		return -EINVAL;
	ret = mutex_lock_killable(&kept_lock);
	if (ret)
		return ret;
	ret = keep_pages(nr, order, gfp_mask);
	mutex_unlock(&kept_lock);
	return ret;
}

static int alloc_small_set(void *data, u64 nr)
{
	return alloc_kept(nr, PAGE_ALLOC_COSTLY_ORDER, GFP_KERNEL | __GFP_NOWARN);
}
DEFINE_DEBUGFS_ATTRIBUTE(alloc_small_fops, NULL, alloc_small_set, "%llu\n");

static int alloc_must_set(void *data, u64 nr)
{
	return alloc_kept(nr, 1, GFP_KERNEL | __GFP_NOFAIL);
}
DEFINE_DEBUGFS_ATTRIBUTE(alloc_must_fops, NULL, alloc_must_set, "%llu\n");

static struct dentry *contig_file, *whole_file, *small_file, *must_file;

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
	small_file = debugfs_create_file_unsafe("alloc_small", 0200, NULL, NULL,
						&alloc_small_fops);
	must_file = debugfs_create_file_unsafe("alloc_must", 0200, NULL, NULL,
					       &alloc_must_fops);
	return 0;
}

static void __exit contig_exit(void)
{
	debugfs_remove(must_file);
	debugfs_remove(small_file);
	free_kept();
	debugfs_remove(whole_file);
	debugfs_remove(contig_file);
}

module_init(contig_init);
module_exit(contig_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Contiguous ranges on demand, for tests");
