// SPDX-License-Identifier: GPL-2.0
/*
 * What every page frame is, from /proc/kpageflags and /proc/zoneinfo.
 *
 * Which pages are pinned the kernel does not tell; the scene knows of its own.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static struct cu_zones zones;

/*
 * What an allocation for a process may not touch: the watermark that it has to
 * respect, and what the zone keeps for those who can use no other.
 */
static void read_zones(struct plan *plan)
{
	int i;

	if (cu_read_zones(&zones))
		die("cannot read the zones");
	for (i = 0; i < zones.nr && i < PLAN_MAX_ZONES; i++) {
		const struct cu_zone *zone = &zones.zone[i];

		plan->zone[i] = (struct plan_zone) {
			.start = zone->start,
			.end = zone->start + zone->spanned,
			.keep = zone->min + zone->reserve,
		};
	}
	plan->nr_zones = i;
}

/* Of the pages of which nothing is known, so many may be free as are on a list. */
static void bound_free(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->nr_zones; i++) {
		unsigned long free = zones.zone[i].free + zones.zone[i].pcp;

		if (plan->zone[i].free > free)
			plan->zone[i].free = free;
	}
}

/**
 * take_snapshot - look at all of memory
 * @scene: for what it has pinned
 * @plan: filled in; plan_end() frees it
 *
 * Return: 0, or -1 if the flags cannot be read.
 */
int take_snapshot(const struct scene *scene, struct plan *plan)
{
	unsigned long pfn = 0;
	__u64 flags[512];
	ssize_t got, i;
	int fd;

	memset(plan, 0, sizeof(*plan));
	read_zones(plan);
	if (plan_init(plan, 1U << cu_huge_order()))
		die("no memory for the snapshot");
	fd = open("/proc/kpageflags", O_RDONLY);
	if (fd < 0)
		return -1;
	while ((got = read(fd, flags, sizeof(flags))) > 0) {
		for (i = 0; i < got / (ssize_t)sizeof(flags[0]); i++, pfn++) {
			bool pinned = scene->pinned && pfn < scene->frames &&
				      cu_bit(scene->pinned, pfn);

			plan_add(plan, pfn, plan_frame(flags[i], pinned));
		}
	}
	close(fd);
	bound_free(plan);
	return 0;
}
