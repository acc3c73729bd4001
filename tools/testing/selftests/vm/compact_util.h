/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the memory compaction tests share: reading the kernel's counters,
 * page patterns that name their own page, and a repeatable random source.
 *
 * Nothing here reports test results: the counters in kselftest.h are static,
 * so only the file with main() may include it.
 */
#ifndef __COMPACT_UTIL_H
#define __COMPACT_UTIL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CU_COMPACT	"/proc/sys/vm/compact_memory"
#define CU_PROACTIVE	"/proc/sys/vm/compaction_proactiveness"
#define CU_THRESHOLD	"/proc/sys/vm/extfrag_threshold"
#define CU_UNEVICTABLE	"/proc/sys/vm/compact_unevictable_allowed"

#define CU_MAX_ZONES	32
#define CU_MAX_ORDERS	16
#define CU_MAX_OPTIONS	8

/* Bits of /proc/kpageflags, see Documentation/admin-guide/mm/pagemap.rst. */
#define CU_KPF_UPTODATE	3
#define CU_KPF_LRU	5
#define CU_KPF_SLAB	7
#define CU_KPF_BUDDY	10
#define CU_KPF_ANON	12
#define CU_KPF_SWAPCACHE	13
#define CU_KPF_PGTABLE	26
#define CU_KPF_RESERVED	32
#define CU_KPF_PRIVATE	35

/* One populated zone, from /proc/zoneinfo and /proc/buddyinfo. All in pages. */
struct cu_zone {
	int node;
	char name[16];
	unsigned long start;		/* its first frame */
	unsigned long spanned;
	unsigned long present;
	unsigned long free;		/* the counter nr_free_pages */
	unsigned long min;
	unsigned long low;
	unsigned long managed;
	unsigned long reserve;		/* not for allocations from above */
	unsigned long pcp;		/* on the per-cpu lists of all CPUs */
	unsigned long pcp_high;		/* that may be there */
	unsigned long isolated;		/* of its node; 0 but for the first */
	unsigned long blocks[CU_MAX_ORDERS];	/* free blocks by order */
};

struct cu_zones {
	int nr;
	int orders;
	struct cu_zone zone[CU_MAX_ZONES];
};

/* An option whose value is a number. The last of a list has no name. */
struct cu_option {
	const char *name;
	const char *what;		/* it is, for the usage */
	unsigned long *val;
	unsigned long least;
	unsigned long most;
};

struct cu_rng {
	__u64 state;
};

extern size_t cu_psize;

void cu_init(void);
unsigned long cu_number(const char *text, unsigned long max);
void cu_parse(int argc, char **argv, __u64 *seed, const struct cu_option *options);

void cu_rng_seed(struct cu_rng *rng, __u64 seed);
__u64 cu_rand(struct cu_rng *rng);
bool cu_chance(struct cu_rng *rng, unsigned int percent);

void cu_touch(void *page, size_t index);
void cu_page_fill(void *page, __u64 seed, __u64 index);
__u64 cu_page_first(__u64 seed, __u64 index);
bool cu_page_ok(const void *page, __u64 seed, __u64 index);

void *cu_map(size_t pages);
void cu_unmap(void *area, size_t pages);
size_t cu_free_random(char *area, size_t pages, unsigned int keep,
		      struct cu_rng *rng, __u8 *kept);

long cu_now_ms(void);
void cu_sleep_ms(long ms);

int cu_write_buf(const char *path, const void *buf, size_t len);
int cu_write_text(const char *path, const char *text);
int cu_write_long(const char *path, long val);
long cu_read_long(const char *path);
long cu_swap_knob(const char *path, long val);
int cu_compact(void);
void cu_drop_caches(void);

long cu_vmstat(const char *name);
unsigned long cu_meminfo(const char *name);
int cu_read_zones(struct cu_zones *zones);

unsigned int cu_huge_order(void);
unsigned long cu_huge_free(const struct cu_zones *zones);
unsigned long cu_node_pages(const struct cu_zones *zones, int node,
			    int from_order);
unsigned long cu_buddy_pages(const struct cu_zone *zone, int from_order);

int cu_pfns(const void *addr, size_t pages, __u64 *pfn);
size_t cu_scan_kpageflags(__u64 mask, __u64 want, __u8 **found);

static inline __u64 cu_kpf(unsigned int bit)
{
	return 1ULL << bit;
}

static inline bool cu_bit(const __u8 *map, size_t nr)
{
	return map[nr / 8] & (1U << (nr % 8));
}

static inline void cu_set_bit(__u8 *map, size_t nr, bool val)
{
	__u8 mask = 1U << (nr % 8);

	map[nr / 8] = val ? map[nr / 8] | mask : map[nr / 8] & ~mask;
}

pid_t cu_fork(void);
pid_t cu_wait_ms(pid_t pid, int *status, long ms);

#endif /* __COMPACT_UTIL_H */
