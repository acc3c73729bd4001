// SPDX-License-Identifier: GPL-2.0
/*
 * Helpers of the memory compaction tests, see compact_util.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compact_util.h"

#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#define GOLDEN	0x9e3779b97f4a7c15ULL

size_t cu_psize;

/* The counter files stay open: opening one allocates, and so moves counters. */
struct counter_file {
	const char *path;
	int fd;
	char text[128 * 1024];
};

static struct counter_file vmstat = { .path = "/proc/vmstat", .fd = -1 };
static struct counter_file meminfo = { .path = "/proc/meminfo", .fd = -1 };
static struct counter_file zoneinfo = { .path = "/proc/zoneinfo", .fd = -1 };
static struct counter_file buddyinfo = { .path = "/proc/buddyinfo", .fd = -1 };

void cu_init(void)
{
	cu_psize = sysconf(_SC_PAGESIZE);
	/* Whole lines, so that a forked child never repeats its parent's. */
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* An option's value, or the end of the program. */
unsigned long cu_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long val = strtoul(text, &end, 0);

	if (*end || end == text || val > max) {
		fprintf(stderr, "%s: not a number up to %lu\n", text, max);
		exit(EXIT_FAILURE);
	}
	return val;
}

static void usage(const char *program, const struct cu_option *option)
{
	fprintf(stderr, "%s [--seed N]", program);
	for (; option && option->name; option++)
		fprintf(stderr, " [--%s %s]", option->name, option->what);
	fprintf(stderr, "\n");
	exit(EXIT_FAILURE);
}

/*
 * Parses the options of a program whose options are all numbers, or ends it. The
 * variables hold their defaults. NULL if it takes a seed alone.
 */
void cu_parse(int argc, char **argv, __u64 *seed, const struct cu_option *options)
{
	struct option longopt[CU_MAX_OPTIONS + 2] = {
		{ "seed", required_argument, NULL, 0 },
	};
	int nr = 0, at = 0, c;

	for (; options && options[nr].name && nr < CU_MAX_OPTIONS; nr++)
		longopt[nr + 1] = (struct option){
			options[nr].name, required_argument, NULL, 0 };
	while (!(c = getopt_long(argc, argv, "", longopt, &at))) {
		if (at)
			*options[at - 1].val = cu_number(optarg,
							 options[at - 1].most);
		else
			*seed = cu_number(optarg, ~0UL);
	}
	if (c != -1 || optind != argc)
		usage(argv[0], options);
	while (nr--)
		if (*options[nr].val < options[nr].least)
			usage(argv[0], options);
}

/* xorshift64: small, and the same on every run. Its state must not be 0. */
__u64 cu_rand(struct cu_rng *rng)
{
	__u64 x = rng->state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	rng->state = x;
	return x;
}

void cu_rng_seed(struct cu_rng *rng, __u64 seed)
{
	int i;

	rng->state = (seed + 1) * GOLDEN;
	if (!rng->state)
		rng->state = GOLDEN;
	for (i = 0; i < 8; i++)
		cu_rand(rng);
}

bool cu_chance(struct cu_rng *rng, unsigned int percent)
{
	return (cu_rand(rng) >> 32) % 100 < percent;
}

/* Makes the page present; what is in it does not matter. */
void cu_touch(void *page, size_t index)
{
	*(size_t *)page = index;
}

static __u64 page_key(__u64 seed, __u64 index)
{
	__u64 key = (index + 1) * GOLDEN ^ (seed << 32 | seed >> 32);

	key ^= key >> 29;
	return key * GOLDEN;
}

/*
 * Each word names its page and its place in the page, so a page that is lost,
 * swapped with another, torn or shifted does not read back. The words of a
 * page differ little, so it compresses: zram can hold many.
 */
void cu_page_fill(void *page, __u64 seed, __u64 index)
{
	__u64 key = page_key(seed, index);
	__u64 *word = page;
	size_t i;

	for (i = 0; i < cu_psize / sizeof(*word); i++)
		word[i] = key + i;
}

/* What the first word of such a page is. */
__u64 cu_page_first(__u64 seed, __u64 index)
{
	return page_key(seed, index);
}

bool cu_page_ok(const void *page, __u64 seed, __u64 index)
{
	__u64 key = page_key(seed, index);
	const __u64 *word = page;
	size_t i;

	for (i = 0; i < cu_psize / sizeof(*word); i++)
		if (word[i] != key + i)
			return false;
	return true;
}

/*
 * Private memory in base pages. Children do without it: a copy of its page
 * tables would cost time, and sharing would keep freed pages in use.
 */
void *cu_map(size_t pages)
{
	void *area = mmap(NULL, pages * cu_psize, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	/* Refused where the kernel has no huge pages, which is as good. */
	madvise(area, pages * cu_psize, MADV_NOHUGEPAGE);
	madvise(area, pages * cu_psize, MADV_DONTFORK);
	return area;
}

void cu_unmap(void *area, size_t pages)
{
	if (area)
		munmap(area, pages * cu_psize);
}

/*
 * Gives back each page but keeps it with a chance of keep percent. Neighbours
 * that go are given back in one call. Notes in kept (may be NULL) which are
 * there still, and returns their number.
 */
size_t cu_free_random(char *area, size_t pages, unsigned int keep,
		      struct cu_rng *rng, __u8 *kept)
{
	size_t run = 0, nr_kept = 0, i;

	for (i = 0; i <= pages; i++) {
		bool stays = i == pages || cu_chance(rng, keep);

		if (i < pages && kept)
			cu_set_bit(kept, i, stays);
		if (!stays) {
			run++;
			continue;
		}
		if (run)
			madvise(area + (i - run) * cu_psize, run * cu_psize,
				MADV_DONTNEED);
		run = 0;
		nr_kept += i < pages;
	}
	return nr_kept;
}

long cu_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void cu_sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Returns the count written, or -errno. */
int cu_write_buf(const char *path, const void *buf, size_t len)
{
	int fd = open(path, O_WRONLY);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, buf, len);
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Returns 0 or -errno. */
int cu_write_text(const char *path, const char *text)
{
	int ret = cu_write_buf(path, text, strlen(text));

	return ret < 0 ? ret : 0;
}

int cu_write_long(const char *path, long val)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", val);
	return cu_write_text(path, text);
}

/* Returns the number in the file, or -errno: for files without negatives. */
long cu_read_long(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return -EIO;
	return strtol(text, NULL, 10);
}

/* Sets a knob and returns what it was, to be put back, or -errno. */
long cu_swap_knob(const char *path, long val)
{
	long old = cu_read_long(path);
	int err;

	if (old < 0)
		return old;
	err = cu_write_long(path, val);
	return err ? err : old;
}

int cu_compact(void)
{
	return cu_write_text(CU_COMPACT, "1");
}

/*
 * Clean page cache and what only caches refer to; then the free objects of slabs, which
 * KASAN keeps from use for a long time: to shrink a cache is to have it let go of them.
 */
void cu_drop_caches(void)
{
	DIR *slabs = opendir("/sys/kernel/slab");
	struct dirent *entry;
	char path[300];

	cu_write_text("/proc/sys/vm/drop_caches", "3");
	while (slabs && (entry = readdir(slabs))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 entry->d_name);
		cu_write_text(path, "1");
	}
	if (slabs)
		closedir(slabs);
}

static const char *counter_text(struct counter_file *file)
{
	size_t len = 0;
	ssize_t got;

	if (file->fd < 0)
		file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
	while (len < sizeof(file->text) - 1) {
		got = pread(file->fd, file->text + len,
			    sizeof(file->text) - 1 - len, len);
		if (got <= 0)
			break;
		len += got;
	}
	file->text[len] = '\0';
	return file->text;
}

/* The line that begins with name and then a blank or a colon. */
static const char *find_line(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text && *text) {
		if (!strncmp(text, name, len) &&
		    (text[len] == ' ' || text[len] == ':'))
			return text + len + 1;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return NULL;
}

/* Returns -1 when this kernel does not have the counter. */
long cu_vmstat(const char *name)
{
	const char *at = find_line(counter_text(&vmstat), name);

	return at ? strtol(at, NULL, 10) : -1;
}

/* In pages. */
unsigned long cu_meminfo(const char *name)
{
	const char *at = find_line(counter_text(&meminfo), name);

	return at ? strtoul(at, NULL, 10) * 1024 / cu_psize : 0;
}

static void zone_line(struct cu_zone *zone, const char *line)
{
	unsigned long val;
	const char *at;

	if (sscanf(line, " pages free %lu", &val) == 1)
		zone->free = val;
	else if (sscanf(line, " min %lu", &val) == 1)
		zone->min = val;
	else if (sscanf(line, " low %lu", &val) == 1)
		zone->low = val;
	else if (sscanf(line, " managed %lu", &val) == 1)
		zone->managed = val;
	else if (sscanf(line, " present %lu", &val) == 1)
		zone->present = val;
	else if (sscanf(line, " spanned %lu", &val) == 1)
		zone->spanned = val;
	else if (sscanf(line, " start_pfn: %lu", &val) == 1)
		zone->start = val;
	else if (sscanf(line, " count: %lu", &val) == 1)
		zone->pcp += val;
	else if (sscanf(line, " high: %lu", &val) == 1)
		zone->pcp_high += val;
	else if (sscanf(line, " nr_isolated_anon %lu", &val) == 1 ||
		 sscanf(line, " nr_isolated_file %lu", &val) == 1)
		zone->isolated += val;

	/* The last one of the list holds for allocations from any zone. */
	if (!strncmp(line + strspn(line, " "), "protection:", 11)) {
		for (at = line; *at && *at != '\n' && *at != ')'; at++)
			if (*at == '(' || *at == ',')
				zone->reserve = strtoul(at + 1, NULL, 10);
	}
}

static void read_zoneinfo(struct cu_zones *zones)
{
	const char *line = counter_text(&zoneinfo);
	struct cu_zone *zone = NULL;
	struct cu_zone head;

	while (line && *line) {
		memset(&head, 0, sizeof(head));
		if (sscanf(line, "Node %d, zone %15s", &head.node,
			   head.name) == 2) {
			/* The one before had no pages: use its place again. */
			if (zone && !zone->managed)
				zones->nr--;
			if (zones->nr == CU_MAX_ZONES)
				return;
			zone = &zones->zone[zones->nr++];
			*zone = head;
		} else if (zone) {
			zone_line(zone, line);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	if (zone && !zone->managed)
		zones->nr--;
}

static struct cu_zone *find_zone(struct cu_zones *zones, int node,
				 const char *name)
{
	int i;

	for (i = 0; i < zones->nr; i++)
		if (zones->zone[i].node == node &&
		    !strcmp(zones->zone[i].name, name))
			return &zones->zone[i];
	return NULL;
}

static int buddy_line(struct cu_zones *zones, const char *line)
{
	struct cu_zone *zone;
	char name[16], *end;
	int node, used, i;

	if (sscanf(line, "Node %d, zone %15s%n", &node, name, &used) != 2)
		return 0;
	zone = find_zone(zones, node, name);
	line += used;
	for (i = 0; i < CU_MAX_ORDERS; i++) {
		unsigned long nr;

		line += strspn(line, " ");
		if (*line == '\n' || !*line)
			break;
		nr = strtoul(line, &end, 10);
		if (zone)
			zone->blocks[i] = nr;
		line = end;
	}
	return i;
}

int cu_read_zones(struct cu_zones *zones)
{
	const char *line;
	int orders;

	memset(zones, 0, sizeof(*zones));
	read_zoneinfo(zones);
	/* Right after it, so that little can happen between the two. */
	line = counter_text(&buddyinfo);
	while (line && *line) {
		orders = buddy_line(zones, line);
		if (orders > zones->orders)
			zones->orders = orders;
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return zones->nr && zones->orders ? 0 : -EIO;
}

/* The order of a huge page, and of the blocks that compaction works for. */
unsigned int cu_huge_order(void)
{
	long size = cu_read_long("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
	unsigned int order = 0;

	if (size < (long)cu_psize)
		return 9;
	while (cu_psize << order < (size_t)size)
		order++;
	return order;
}

/* Free pages of the zone in blocks of from_order and more. */
unsigned long cu_buddy_pages(const struct cu_zone *zone, int from_order)
{
	unsigned long pages = 0;
	int i;

	for (i = from_order; i < CU_MAX_ORDERS; i++)
		pages += zone->blocks[i] << i;
	return pages;
}

/* As cu_buddy_pages(), of all zones of a node; of all nodes if that is -1. */
unsigned long cu_node_pages(const struct cu_zones *zones, int node,
			    int from_order)
{
	unsigned long pages = 0;
	int i;

	for (i = 0; i < zones->nr; i++)
		if (node == -1 || zones->zone[i].node == node)
			pages += cu_buddy_pages(&zones->zone[i], from_order);
	return pages;
}

/* The huge pages that could be allocated now, without compaction. */
unsigned long cu_huge_free(const struct cu_zones *zones)
{
	unsigned int order = cu_huge_order();

	return cu_node_pages(zones, -1, order) >> order;
}

/*
 * Where the pages are in physical memory; 0 for one that is not there. The
 * low 55 bits of an entry are the frame number, bit 63 says present.
 */
int cu_pfns(const void *addr, size_t pages, __u64 *pfn)
{
	off_t at = (uintptr_t)addr / cu_psize * sizeof(*pfn);
	size_t len = pages * sizeof(*pfn);
	size_t done = 0, i;
	ssize_t got;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0)
		return -errno;
	while (done < len) {
		got = pread(fd, (char *)pfn + done, len - done, at + done);
		if (got <= 0)
			break;
		done += got;
	}
	close(fd);
	if (done < len)
		return -EIO;
	for (i = 0; i < pages; i++)
		pfn[i] = pfn[i] >> 63 ? pfn[i] & ((1ULL << 55) - 1) : 0;
	return 0;
}

/*
 * Finds the page frames whose flags under mask are want, and notes them in a
 * new bitmap, for the caller to free. Returns how many frames there are in
 * all, found or not, and 0 if that is not to be known.
 */
size_t cu_scan_kpageflags(__u64 mask, __u64 want, __u8 **found)
{
	size_t frames = 0, room = 0;
	__u64 flags[512];
	ssize_t got, i;
	int fd = open("/proc/kpageflags", O_RDONLY);

	*found = NULL;
	if (fd < 0)
		return 0;
	while ((got = read(fd, flags, sizeof(flags))) > 0) {
		if (frames + ARRAY_SIZE(flags) > room) {
			room = 2 * room + ARRAY_SIZE(flags);
			*found = realloc(*found, room / 8 + 1);
			if (!*found)
				break;
		}
		for (i = 0; i < got / (ssize_t)sizeof(flags[0]); i++)
			cu_set_bit(*found, frames++, (flags[i] & mask) == want);
	}
	close(fd);
	return *found ? frames : 0;
}

/* Or the end of the program: -1 as a process is all of them. */
pid_t cu_fork(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(EXIT_FAILURE);
	}
	return pid;
}

/* As waitpid(), but gives up after ms milliseconds and then returns 0. */
pid_t cu_wait_ms(pid_t pid, int *status, long ms)
{
	long end = cu_now_ms() + ms;
	pid_t got;

	do {
		got = waitpid(pid, status, WNOHANG);
		if (got)
			return got;
		cu_sleep_ms(2);
	} while (cu_now_ms() < end);
	return 0;
}
