// SPDX-License-Identifier: GPL-2.0
/*
 * Small worked examples for the limit: blocks of 4 pages, written as strings.
 *
 *   .  free   m  movable   ?  unknown   X  fixed   _  no memory
 */
#include <stdio.h>
#include <string.h>

#include "plan.h"

#define BLOCK	4

struct example {
	const char *name;
	const char *frames;
	unsigned long keep;
	unsigned long edge;	/* where a second zone begins, 0: nowhere */
	size_t attainable;
	size_t nr;		/* for so many the cost is */
	size_t cost;
};

static const struct example examples[] = {
	{ "all is free", ".... ....", 0, 0, 2, 2, 0 },
	{ "nothing is free", "mmmm mmmm", 0, 0, 0, 0, 0 },
	{ "the emptiest block is emptied", "mm.. m... mmm.", 0, 0, 1, 1, 1 },
	{ "two of four", "m... mm.. mm.. mmm.", 0, 0, 2, 2, 3 },
	{ "what is free already costs nothing", "m... .... mmm.", 0, 0, 2, 2, 1 },
	{ "one page spoils its block", "X... mm.. mm..", 0, 0, 1, 1, 2 },
	{ "all are spoiled", "X... .X.. ..X.", 0, 0, 0, 0, 0 },
	{ "a spoiled block can be filled", "X... m... mmmm", 0, 0, 1, 1, 1 },
	{ "the watermark keeps some back", "m... mm..", 2, 0, 0, 0, 0 },
	{ "and leaves the rest", "m... m... m...", 2, 0, 1, 1, 1 },
	{ "unknown pages are taken for free", "m??? mmm. ", 0, 0, 1, 1, 1 },
	{ "a hole spoils", "..._ m... m...", 0, 0, 2, 2, 2 },
	{ "the last block is not whole", "m... ..", 0, 0, 1, 1, 1 },
	{ "zones do not help each other", "mm.. mm..", 0, 4, 0, 0, 0 },
	{ "a zone ends inside a block", "m... .... m...", 0, 6, 2, 2, 2 },
	{ "more than there are", "m...", 0, 0, 0, 3, 1 },
};

static enum plan_frame frame_of(char c)
{
	switch (c) {
	case '.':
		return FRAME_FREE;
	case 'm':
		return FRAME_MOVABLE;
	case '?':
		return FRAME_UNKNOWN;
	case '_':
		return FRAME_NONE;
	default:
		return FRAME_FIXED;
	}
}

static unsigned long count_frames(const char *frames)
{
	unsigned long nr = 0;

	for (; *frames; frames++)
		nr += *frames != ' ';
	return nr;
}

static bool holds(const struct example *e)
{
	unsigned long end = count_frames(e->frames), pfn = 0;
	struct plan plan = { .nr_zones = e->edge ? 2 : 1 };
	size_t attainable, cost;
	const char *at;

	plan.zone[0].end = e->edge ? e->edge : end;
	plan.zone[0].keep = e->keep;
	plan.zone[1].start = e->edge;
	plan.zone[1].end = end;
	if (plan_init(&plan, BLOCK))
		return false;
	for (at = e->frames; *at; at++)
		if (*at != ' ')
			plan_add(&plan, pfn++, frame_of(*at));
	attainable = plan_attainable(&plan);
	cost = plan_cost(&plan, e->nr);
	plan_end(&plan);
	if (attainable != e->attainable || cost != e->cost)
		printf("# %s: attainable %zu, not %zu; cost %zu, not %zu\n",
		       e->frames, attainable, e->attainable, cost, e->cost);
	return attainable == e->attainable && cost == e->cost;
}

struct flag_example {
	const char *name;
	__u64 flags;
	bool pinned;
	enum plan_frame frame;
};

static const struct flag_example flag_examples[] = {
	{ "nothing set", 0, false, FRAME_UNKNOWN },
	{ "no memory", 1ULL << 20, false, FRAME_NONE },
	{ "on the free lists", 1ULL << 10, false, FRAME_FREE },
	{ "slab", 1ULL << 7, false, FRAME_FIXED },
	{ "page table", 1ULL << 26 | 1ULL << 11, false, FRAME_FIXED },
	{ "mapped and on the LRU", 1ULL << 5 | 1ULL << 11 | 1ULL << 12,
	  false, FRAME_MOVABLE },
	{ "the same, pinned", 1ULL << 5 | 1ULL << 11 | 1ULL << 12, true,
	  FRAME_FIXED },
	{ "the tail of a huge page", 1ULL << 16 | 1ULL << 22 | 1ULL << 12,
	  false, FRAME_FIXED },
	{ "zsmalloc", 1ULL << 35, false, FRAME_MOVABLE },
};

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

int main(void)
{
	size_t nr = 0, bad = 0, i;

	printf("TAP version 13\n1..%zu\n", NR(examples) + NR(flag_examples));
	for (i = 0; i < NR(examples); i++) {
		bool ok = holds(&examples[i]);

		bad += !ok;
		printf("%sok %zu - %s\n", ok ? "" : "not ", ++nr,
		       examples[i].name);
	}
	for (i = 0; i < NR(flag_examples); i++) {
		const struct flag_example *e = &flag_examples[i];
		bool ok = plan_frame(e->flags, e->pinned) == e->frame;

		bad += !ok;
		printf("%sok %zu - %s\n", ok ? "" : "not ", ++nr, e->name);
	}
	return bad != 0;
}
