// SPDX-License-Identifier: GPL-2.0
/*
 * Moves every kind of page that compaction can move, and reads it back.
 *
 * The pages of all kinds and pages of a filler are made in turn, so that they
 * lie mixed all over memory. Most of the filler is given back, memory is
 * compacted, and the filler is made again: it takes the frames that the pages
 * have left, so that anything that still points there reads something else.
 * Then all contents are compared with what was written.
 *
 * What it proves: a page that was moved keeps its contents, for each kind, and
 * for all that map it; and pages of each kind were moved, which their frame
 * numbers show. Where the kernel tells no frame number (the page is not mapped)
 * the page flags of all frames are compared instead.
 *
 * What makes it fail: moving a page without all its mappings, its place in the
 * page cache, its swap entry or its zram object; copying before the last
 * writer is shut out; not moving a kind at all; moving mlocked pages although
 * compact_unevictable_allowed is 0; a page dropped rather than moved.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_kinds.h"
#include "compact_swap.h"

#define PROCESS_MEMORY						\
	.place = place_mapped, .locate = locate_mapped,		\
	.bad = bad_mapped, .end = end_mapped

#define FILE_IN_CACHE						\
	.place = place_file, .settle = settle_file,		\
	.locate = locate_file, .bad = bad_file, .end = end_file

static struct kind kinds[] = {
	{ .name = "private anonymous", .unevictable = -1,
	  .setup = setup_anon, PROCESS_MEMORY },
	{ .name = "shared by fork", .unevictable = -1,
	  .setup = setup_cow, .place = place_mapped, .settle = settle_cow,
	  .locate = locate_mapped, .bad = bad_cow, .end = end_cow },
	{ .name = "ext4 file, mapped", .unevictable = -1,
	  .setup = setup_ext4_mapped, .place = place_mapped,
	  .settle = settle_file, .locate = locate_mapped, .bad = bad_mapped,
	  .end = end_file },
	{ .name = "ext4 file, only in the page cache", .unevictable = -1,
	  .setup = setup_ext4, FILE_IN_CACHE },
	{ .name = "shared anonymous", .unevictable = -1,
	  .setup = setup_shmem, PROCESS_MEMORY },
	{ .name = "tmpfs file", .unevictable = -1,
	  .setup = setup_tmpfs, FILE_IN_CACHE },
	{ .name = "mlocked, may move", .unevictable = 1,
	  .setup = setup_anon, .settle = settle_mlock, PROCESS_MEMORY },
	{ .name = "mlocked, may not move", .unevictable = 0,
	  .setup = setup_anon, .settle = settle_mlock, PROCESS_MEMORY },
	{ .name = "merged by KSM", .unevictable = -1,
	  .setup = setup_ksm, .place = place_ksm, .settle = settle_ksm,
	  .locate = locate_ksm, .bad = bad_ksm, .end = end_ksm },
	{ .name = "swapped out and in the swap cache", .unevictable = -1,
	  .setup = setup_swap, .place = place_swap, .locate = locate_swap,
	  .bad = bad_mapped, .end = end_mapped,
	  .flag_mask = 1ULL << CU_KPF_SWAPCACHE,
	  .flag_want = 1ULL << CU_KPF_SWAPCACHE },
	/* The first page of each of zsmalloc's groups is private, no more. */
	{ .name = "zsmalloc", .unevictable = -1,
	  .setup = setup_zram, .place = place_zram, .locate = locate_flags,
	  .bad = bad_zram, .end = end_zram,
	  .flag_mask = 1ULL << CU_KPF_PRIVATE | 1ULL << CU_KPF_LRU |
		       1ULL << CU_KPF_UPTODATE | 1ULL << CU_KPF_SLAB |
		       1ULL << CU_KPF_BUDDY | 1ULL << CU_KPF_ANON |
		       1ULL << CU_KPF_PGTABLE | 1ULL << CU_KPF_RESERVED,
	  .flag_want = 1ULL << CU_KPF_PRIVATE },
	/* The last one, so that it writes while nothing else is prepared. */
	{ .name = "written all the time", .unevictable = -1,
	  .setup = setup_written, .place = place_mapped,
	  .settle = settle_written, .locate = locate_written,
	  .bad = bad_written, .end = end_written },
};

#define NR_KINDS	((int)ARRAY_SIZE(kinds))

static char *filler;
static size_t filler_pages;

static bool takes_part(const struct kind *k, long unevictable)
{
	if (k->unevictable >= 0 && k->unevictable != unevictable)
		return false;
	return !k->skip;
}

static void set_up(struct kind *k)
{
	k->skip = k->setup(k);
	k->pfn[0] = calloc(opt.pages, sizeof(__u64));
	k->pfn[1] = calloc(opt.pages, sizeof(__u64));
	if (!k->pfn[0] || !k->pfn[1])
		ksft_exit_fail_msg("no memory\n");
}

static void tear_down(struct kind *k)
{
	int i;

	k->end(k);
	for (i = 0; i < 2; i++) {
		free(k->pfn[i]);
		free(k->found[i]);
		k->found[i] = NULL;
	}
	k->rounds++;
}

/* One page of each kind, a piece of the filler, and so on. */
static void place_all(long unevictable)
{
	size_t piece = filler_pages / opt.pages, at = 0, i, end;
	int n;

	for (i = 0; i < opt.pages; i++) {
		for (n = 0; n < NR_KINDS; n++)
			if (takes_part(&kinds[n], unevictable))
				kinds[n].place(&kinds[n], i);
		for (end = at + piece; at < end; at++)
			cu_touch(filler + at * cu_psize, at);
	}
	for (n = 0; n < NR_KINDS; n++)
		if (takes_part(&kinds[n], unevictable) && kinds[n].settle)
			kinds[n].settle(&kinds[n]);
}

static void locate_all(long unevictable, int which)
{
	int n;

	for (n = 0; n < NR_KINDS; n++)
		if (takes_part(&kinds[n], unevictable))
			kinds[n].locate(&kinds[n], which);
}

static void fragment_and_compact(void)
{
	struct cu_rng rng;
	int err;

	cu_rng_seed(&rng, opt.seed);
	cu_free_random(filler, filler_pages, opt.keep, &rng, NULL);
	err = cu_compact();
	if (err)
		ksft_exit_fail_msg("no compaction: %s\n", strerror(-err));
}

static void refill(void)
{
	size_t i;

	for (i = 0; i < filler_pages; i++)
		cu_touch(filler + i * cu_psize, ~i);
}

/* Kinds with page flags: the frames there were, and those that are left. */
static void count_frames(struct kind *k, size_t *seen, size_t *moved)
{
	size_t after = 0, i;

	for (i = 0; i < k->frames; i++) {
		bool old = cu_bit(k->found[0], i), new = cu_bit(k->found[1], i);

		*seen += old;
		*moved += old && !new;
		after += new;
	}
	if (after < *seen / 10 * 9)
		broken(k, "pages are gone");
	if (*seen < opt.pages / 8)
		broken(k, "pages are not found");
}

static void count_pfns(struct kind *k, size_t *seen, size_t *moved)
{
	size_t i;

	for (i = 0; i < opt.pages; i++) {
		if (!k->pfn[0][i] || !k->pfn[1][i])
			continue;
		(*seen)++;
		*moved += k->pfn[0][i] != k->pfn[1][i];
	}
	if (*seen < opt.pages / 10 * 9)
		broken(k, "pages are not in memory");
}

static void count(struct kind *k, long migrated)
{
	size_t seen = 0, moved = 0;

	if (k->flag_mask)
		count_frames(k, &seen, &moved);
	else
		count_pfns(k, &seen, &moved);
	k->seen += seen;
	k->moved += moved;
	k->wrong += k->bad(k);
	/* That some stayed says something only if others were moved. */
	if (migrated < (long)opt.pages)
		broken(k, "compaction moved next to nothing");
}

static void run_round(long unevictable)
{
	long migrated;
	int n;

	cu_write_long(CU_UNEVICTABLE, unevictable);
	filler = cu_map(filler_pages);
	if (!filler)
		ksft_exit_fail_msg("no memory for the filler\n");
	for (n = 0; n < NR_KINDS; n++)
		if (takes_part(&kinds[n], unevictable))
			set_up(&kinds[n]);

	place_all(unevictable);
	locate_all(unevictable, 0);
	migrated = cu_vmstat("pgmigrate_success");
	fragment_and_compact();
	migrated = cu_vmstat("pgmigrate_success") - migrated;
	locate_all(unevictable, 1);
	refill();

	for (n = 0; n < NR_KINDS; n++) {
		if (!takes_part(&kinds[n], unevictable))
			continue;
		count(&kinds[n], migrated);
		tear_down(&kinds[n]);
	}
	cu_unmap(filler, filler_pages);
}

static void report(const struct kind *k)
{
	bool as_wanted;

	if (k->skip) {
		ksft_test_result_skip("%s: %s\n", k->name, k->skip);
		return;
	}
	if (k->unevictable)
		as_wanted = k->moved * 100 >= k->seen * opt.moved && k->seen;
	else
		as_wanted = !k->moved;
	if (k->broken)
		ksft_print_msg("%s: %s\n", k->name, k->broken);
	ksft_test_result(as_wanted && !k->wrong && !k->broken,
			 "%s: %zu pages, %zu moved, %zu wrong\n", k->name,
			 k->seen, k->moved, k->wrong);
}

static const struct cu_option options[] = {
	{ "pages", "N", &opt.pages, 64, 16384 },
	/* One where mlocked pages may move, and one where they may not. */
	{ "rounds", "N", &opt.rounds, 2, 1000 },
	{ "fill", "PERCENT", &opt.fill, 0, 80 },
	{ "keep", "PERCENT", &opt.keep, 0, 100 },
	{ "moved", "PERCENT", &opt.moved, 0, 100 },
	{ }
};

int main(int argc, char **argv)
{
	long proactive, unevictable;
	unsigned long round;
	int n;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	if (access(CU_COMPACT, W_OK))
		ksft_exit_skip("needs root and a kernel with compaction\n");
	ksft_set_plan(NR_KINDS);
	if (posix_memalign((void **)&buf, cu_psize, cu_psize))
		ksft_exit_fail_msg("no memory\n");

	for (n = 0; n < NR_KINDS; n++)
		kinds[n].id = n;
	filler_pages = cu_meminfo("MemAvailable") * opt.fill / 100;
	filler_pages -= opt.pages * NR_KINDS;
	proactive = cu_swap_knob(CU_PROACTIVE, 0);
	unevictable = cu_read_long(CU_UNEVICTABLE);
	for (round = 1; round <= opt.rounds; round++)
		run_round(round < opt.rounds);
	for (n = 0; n < NR_KINDS; n++)
		report(&kinds[n]);

	umount(EXT4_DIR);
	cu_write_long(CU_UNEVICTABLE, unevictable);
	if (proactive >= 0)
		cu_write_long(CU_PROACTIVE, proactive);
	ksft_finished();
}
