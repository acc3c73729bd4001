// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are on no LRU list but can move, since the driver that owns them
 * knows how: zsmalloc, the balloon, z3fold.
 *
 * Such a page keeps its driver's operations in page->mapping, marked by
 * PAGE_MAPPING_MOVABLE in the low bits. The mark stays until the page is freed,
 * whereas the operations go when the driver lets go of it: a page with the mark
 * alone may sit on a migration list, but no operation may be called for it.
 * The page lock orders all that.
 */
#include <linux/export.h>
#include <linux/migrate.h>
#include <linux/mmdebug.h>
#include <linux/page-flags.h>

/**
 * PageMovable - may the driver's operations for this page be called?
 * @page: a locked page
 *
 * Return: true if the page is marked as a driver's movable page and the driver
 * has not let go of it.
 */
bool PageMovable(struct page *page)
{
	VM_WARN_ON_ONCE_PAGE(!PageLocked(page), page);

	return __PageMovable(page) && page_movable_ops(page);
}
EXPORT_SYMBOL(PageMovable);

/**
 * __SetPageMovable - hand a driver's page to migration
 * @page: a locked page that belongs to the driver
 * @ops: how to isolate it, move it and put it back
 */
void __SetPageMovable(struct page *page, const struct movable_operations *ops)
{
	unsigned long mapping = (unsigned long)ops | PAGE_MAPPING_MOVABLE;

	VM_WARN_ON_ONCE_PAGE(!PageLocked(page), page);
	VM_WARN_ON_ONCE_PAGE((unsigned long)ops & PAGE_MAPPING_FLAGS, page);
	page->mapping = (struct address_space *)mapping;
}
EXPORT_SYMBOL(__SetPageMovable);

/**
 * __ClearPageMovable - take a page back from migration
 * @page: a locked page for which PageMovable() is true
 *
 * The mark stays, so that a migration list that holds the page can tell what
 * it was.
 */
void __ClearPageMovable(struct page *page)
{
	VM_WARN_ON_ONCE_PAGE(!PageMovable(page), page);
	page->mapping = (struct address_space *)PAGE_MAPPING_MOVABLE;
}
EXPORT_SYMBOL(__ClearPageMovable);
