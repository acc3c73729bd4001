// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that goes while I/O reads into it, and pages that are copied on write.
 *
 * A disk that takes its time reads sectors into a buffer, every other sector of
 * each page, in several requests. Meanwhile the process goes on to write to the
 * sectors in between, while the memory block is put offline, the pages are
 * reclaimed, moved or write-protected, memory is compacted, and processes fork.
 *
 * What it proves:
 *  - putting the memory offline ends soon after the I/O does, and at once when a
 *    signal comes; and then all is as if it had never been tried;
 *  - a buffer that is registered with io_uring has left the memory that may go;
 *  - in the end the process sees all that was read for it, and all that it has
 *    written itself; a process that has forked off sees neither, whenever it did.
 *
 *  - in the end nothing is isolated, missing or pinned.
 *
 * What makes it fail: pages that are moved although the I/O holds them; a page that
 * is unmapped and then copied for its own process, since somebody holds it; pages
 * that are pinned and shared with a child all the same, or not pinned while a device
 * reads into them; isolated pages or blocks that are left so when putting memory
 * offline fails.
 *
 * Some file systems, like ext2, do not pin pages for direct I/O in Linux 6.1. With
 * them a read and a fork at the same time do not go together, see open(2), and that
 * is not tried.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "compact_util.h"
#include "compact_dev.h"
#include "compact_scene.h"
#include "compact_race.h"
#include "compact_pressure.h"
#include "compact_pin.h"
#include "compact_sectors.h"
#include "compact_disturb.h"
#include "compact_blocks.h"

#define SWAP_MIB	64
#define NOISE		2000

static struct {
	__u64 seed;
	unsigned long rounds;	/* of each line */
	unsigned long seconds;	/* at random */
} opt = { .seed = 1, .rounds = 3, .seconds = 10 };

static bool swap;

static void tell(const struct outcome *out, bool good, const char *name)
{
	ksft_print_msg("%u rounds: offline %u, busy %u, unmapped %u, forks %u, wrong %u. %s\n",
		       out->done, out->gone, out->busy, out->unmapped,
		       out->before, out->wrong, out->why ?: "");
	ksft_test_result(good && out->done && !out->wrong && !out->why,
			 "%s\n", name);
}

/* Memory goes offline while the disk reads into it. */

static void write_until(struct buffer *buf, long ms, struct outcome *out)
{
	long end = cu_now_ms() + ms;

	while (cu_now_ms() < end) {
		out->wrong += buffer_wrong(buf, MINE);
		buffer_write(buf, MINE);
		cu_sleep_ms(10);
	}
}

static void offline_round(struct outcome *out, bool huge, bool writes)
{
	struct buffer buf;
	pid_t pid;
	long block;
	int err;

	if (buffer_make(&buf, NODE, huge)) {
		out->why = "no memory";
		return;
	}
	block = block_of(buf.area);
	out->why = reads_begin(&buf, 400);
	pid = offline_begin(block);
	if (writes && !out->why)
		write_until(&buf, 300, out);
	out->why = out->why ?: reads_end(&buf);
	out->why = offline_end(pid, &err) ?: out->why;
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
	if (!out->why && !err && (!block_is(block, "offline") ||
				  block_of(buf.area) == block))
		out->why = "it is not offline";
	out->gone += !err;
	out->busy += !!err;
	out->done++;
	block_set(block, "online_movable");
	if (!out->why && !block_is(block, "online"))
		out->why = "it does not come online again";
	buffer_end(&buf);
}

static void test_offline(bool writes)
{
	struct outcome out = { 0 };
	unsigned long i;

	for (i = 0; i < opt.rounds && !out.why; i++)
		offline_round(&out, i & 1, writes);
	tell(&out, out.gone, writes ?
	     "memory goes when nobody reads into it, and is written all the time" :
	     "memory goes when nobody reads into it any more");
}

/* A pipe holds a page for ever; whoever wants the memory gives up on a signal. */
static void interrupt_round(struct outcome *out)
{
	unsigned long free = node_free(NODE), after;
	struct buffer buf;
	int fd[2], status, err;
	struct iovec iov;
	long block;
	pid_t pid;

	if (buffer_make(&buf, NODE, false) || pipe(fd)) {
		out->why = "no memory";
		return;
	}
	iov = (struct iovec){ buf.area, PAGES * cu_psize };
	block = block_of(buf.area);
	if (vmsplice(fd[1], &iov, 1, 0) != (ssize_t)iov.iov_len)
		out->why = "vmsplice fails";
	pid = offline_begin(block);
	write_until(&buf, 500, out);
	kill(pid, SIGTERM);
	if (cu_wait_ms(pid, &status, PATIENCE_MS) != pid) {
		kill(pid, SIGKILL);
		ksft_exit_fail_msg("a signal does not end putting memory offline\n");
	}
	if (!WIFSIGNALED(status))
		out->why = out->why ?: "memory that is held is not waited for";
	if (!block_is(block, "online") || block_of(buf.area) != block)
		out->why = out->why ?: "it is not what it was";
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_old(&buf);
	if (pages_off_lru(buf.area, PAGES) || isolated_pages())
		out->why = out->why ?: "pages are still isolated";
	close(fd[0]);
	close(fd[1]);
	after = node_free(NODE) + PAGES;
	if (after + 512 < free) {
		ksft_print_msg("%lu pages free, %lu before\n", after, free);
		out->why = out->why ?: "free pages are missing";
	}
	out->why = offline_end(offline_begin(block), &err) ?: out->why;
	out->gone += !err;
	out->done++;
	block_set(block, "online_movable");
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_old(&buf);
	buffer_end(&buf);
}

static void test_interrupt(void)
{
	struct outcome out = { 0 };
	unsigned long i;

	for (i = 0; i < opt.rounds && !out.why; i++)
		interrupt_round(&out);
	tell(&out, out.gone, "a signal ends it, and nothing is left of it");
}

/* A buffer that is registered. */

static bool is_movable(const void *addr)
{
	static struct cu_zones zones;
	const struct cu_zone *zone;
	__u64 pfn;

	cu_read_zones(&zones);
	if (cu_pfns(addr, 1, &pfn))
		return true;
	zone = zone_of(&zones, pfn);
	return !zone || !strcmp(zone->name, "Movable");
}

/* It is read by io_uring, which pins it for as long as it is registered, or reads. */
static const char *buffer_ring(struct buffer *buf, struct ring *ring,
			       bool registered)
{
	if (ring_open(ring, 64))
		return "no ring";
	if (!registered) {
		buf->disk = disk[PINNING];
	} else if (ring_register(ring, buf->area, PAGES * cu_psize)) {
		ring_close(ring);
		return "the buffer cannot be registered";
	}
	buf->ring = ring;
	return NULL;
}

static void registered_round(struct outcome *out, bool huge)
{
	struct buffer buf;
	struct ring ring;
	long block;
	int err;

	if (buffer_make(&buf, NODE, huge)) {
		out->why = "no memory";
		return;
	}
	block = block_of(buf.area);
	if (!is_movable(buf.area))
		out->why = "there is no memory that may go";
	out->why = out->why ?: buffer_ring(&buf, &ring, true);
	if (!out->why) {
		if (is_movable(buf.area))
			out->why = "a registered buffer stays in the way";
		out->why = reads_begin(&buf, 100) ?: out->why;
		out->why = offline_end(offline_begin(block), &err) ?: out->why;
		out->gone += !err;
		out->why = reads_end(&buf) ?: out->why;
		out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
		ring_close(&ring);
	}
	out->done++;
	block_set(block, "online_movable");
	buffer_end(&buf);
}

static void test_registered(void)
{
	struct outcome out = { 0 };
	unsigned long i;

	for (i = 0; i < opt.rounds && !out.why; i++)
		registered_round(&out, i & 1);
	tell(&out, out.gone, "a registered buffer is not where memory may go");
}

/* What happens to pages while they are read into. */

static void disturbed_round(struct outcome *out,
			    const struct disturbance *what, bool huge)
{
	struct buffer buf;
	int i;

	if (buffer_make(&buf, cu_rand(&rng) % 2, huge)) {
		out->why = "no memory";
		return;
	}
	if (what->unmaps)
		buf.disk = disk[GETTING];
	drain_batches();
	out->why = reads_begin(&buf, 200);
	for (i = 0; i < 3 && !out->why; i++) {
		what->todo(&buf, out);
		cu_sleep_ms(10);
	}
	out->why = reads_end(&buf) ?: out->why;
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
	out->done++;
	buffer_end(&buf);
}

static void test_disturbed(const struct disturbance *what)
{
	struct outcome out = { 0 };
	unsigned long i;
	char name[96];

	snprintf(name, sizeof(name), "while it is read into: %s", what->name);
	if (what->unmaps && (!swap || !disk_gets())) {
		ksft_test_result_skip("%s: no swap, or no ext2\n", name);
		return;
	}
	for (i = 0; i < opt.rounds && !out.why; i++)
		disturbed_round(&out, what, i & 1);
	tell(&out, out.unmapped || !what->unmaps, name);
}

/* Forks: before the read begins, or at any time if the buffer is pinned. */

struct sibling {
	pid_t pid;
	int tell;
};

/*
 * The child has what was there before, whatever is read and written by whom. The
 * parent sends a word if the fork came before the data.
 */
static void sibling_lives(struct buffer *buf, int fd)
{
	unsigned int wrong = buffer_wrong(buf, MINE);
	unsigned int not_old = buffer_not_old(buf);
	char word;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	buffer_write(buf, THEIRS);
	while (read(fd, &word, 1) == 1)
		wrong += not_old;
	if (buffer_not_old(buf) != not_old)
		wrong++;
	wrong += buffer_wrong(buf, THEIRS);
	_exit(wrong ? 1 : 0);
}

static const char *sibling_begin(struct sibling *child, struct buffer *buf,
				 struct outcome *out)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return "no pipe";
	madvise(buf->raw, buf->raw_len, MADV_DOFORK);
	child->pid = fork();
	if (!child->pid) {
		close(fd[1]);
		sibling_lives(buf, fd[0]);
	}
	madvise(buf->raw, buf->raw_len, MADV_DONTFORK);
	close(fd[0]);
	child->tell = fd[1];
	if (!buf->ring || !ring_ended(buf->ring))
		out->before += write(child->tell, "", 1) == 1;
	return child->pid < 0 ? "no child" : NULL;
}

static const char *sibling_end(struct sibling *child)
{
	int status;

	close(child->tell);
	if (cu_wait_ms(child->pid, &status, IO_MS) != child->pid) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, &status, 0);
		return "a child does not end";
	}
	return status ? "a child sees what is not for it" : NULL;
}

enum { EARLY, REGISTERED, PINNED, NR_FORKS };

static const char * const fork_name[NR_FORKS] = {
	[EARLY] = "a fork before the read",
	[REGISTERED] = "a fork during the read, of a registered buffer",
	[PINNED] = "a fork during the read, of a buffer that is not registered",
};

static void fork_round(struct outcome *out, bool huge, int how)
{
	struct sibling child;
	struct buffer buf;
	struct ring ring = { .fd = -1 };

	if (buffer_make(&buf, cu_rand(&rng) % 2, huge)) {
		out->why = "no memory";
		return;
	}
	if (how == EARLY)
		out->why = sibling_begin(&child, &buf, out);
	else
		out->why = buffer_ring(&buf, &ring, how == REGISTERED);
	if (!out->why)
		out->why = reads_begin(&buf, 200);
	if (how != EARLY && !out->why)
		out->why = sibling_begin(&child, &buf, out);
	if (!out->why) {
		buffer_write(&buf, MINE);
		write_until(&buf, 50, out);
		out->why = reads_end(&buf);
		out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
		out->why = sibling_end(&child) ?: out->why;
		out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
	}
	out->done++;
	ring_close(&ring);
	buffer_end(&buf);
}

static void test_fork(int how)
{
	struct outcome out = { 0 };
	unsigned long i;

	for (i = 0; i < 2 * opt.rounds && !out.why; i++)
		fork_round(&out, i & 1, how);
	tell(&out, out.before, fork_name[how]);
}

/* Who gives back a page does so soon after it is known that the data is there. */
static bool wait_unpinned(long pins)
{
	long end = cu_now_ms() + IO_MS;

	while (pins_left() != pins && cu_now_ms() < end)
		cu_sleep_ms(20);
	return pins_left() == pins;
}

#define PAGE_SECTORS	8

/* In pieces, each of which pins the page for itself, and all but one let go at once. */
static void pieces_round(struct outcome *out)
{
	struct iovec iov[PAGE_SECTORS];
	struct buffer buf;
	int i;

	if (buffer_make(&buf, 0, false)) {
		out->why = "no memory";
		return;
	}
	for (i = 0; i < PAGE_SECTORS; i++) {
		iov[i].iov_base = sector_of(&buf, i);
		iov[i].iov_len = SECTOR;
	}
	if (preadv(disk[PINNING], iov, PAGE_SECTORS, 0) != PAGE_SECTORS * SECTOR)
		out->why = "a read fails";
	for (i = 0; i < PAGE_SECTORS; i++)
		out->wrong += !sector_ok(sector_of(&buf, i), tag_of(READ, 0, i));
	out->done++;
	buffer_end(&buf);
}

static void test_pieces(void)
{
	struct outcome out = { 0 };
	long pins = pins_left();
	unsigned long i;

	for (i = 0; i < opt.rounds && !out.why; i++)
		pieces_round(&out);
	tell(&out, wait_unpinned(pins), "a read in pieces lets go of its page");
}

/* All of it, at random, while memory is compacted. */
static void random_round(struct outcome *out)
{
	struct ring ring = { .fd = -1 };
	struct sibling child = { .pid = 0 };
	struct buffer buf;
	pid_t offline = 0;
	long block = -1;
	int err, i;

	if (buffer_make(&buf, cu_rand(&rng) % 2, cu_chance(&rng, 40))) {
		out->why = "no memory";
		return;
	}
	if (cu_chance(&rng, 30))
		out->why = sibling_begin(&child, &buf, out);
	else if (cu_chance(&rng, 60))
		out->why = buffer_ring(&buf, &ring, cu_chance(&rng, 50));
	if (!out->why)
		out->why = reads_begin(&buf, 40 + cu_rand(&rng) % 160);
	if (!out->why && buf.ring && cu_chance(&rng, 60))
		out->why = sibling_begin(&child, &buf, out);
	if (cu_chance(&rng, 30) && node_of_page(buf.area) == NODE) {
		block = block_of(buf.area);
		offline = block < 0 ? 0 : offline_begin(block);
	}
	for (i = cu_rand(&rng) % 8; i && !out->why; i--)
		disturbances[cu_rand(&rng) % ARRAY_SIZE(disturbances)]
			.todo(&buf, out);
	out->why = reads_end(&buf) ?: out->why;
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
	if (child.pid > 0)
		out->why = sibling_end(&child) ?: out->why;
	ring_close(&ring);
	if (offline > 0) {
		out->why = offline_end(offline, &err) ?: out->why;
		out->gone += !err;
		out->busy += !!err;
		block_set(block, "online_movable");
	}
	out->wrong += buffer_wrong(&buf, MINE) + buffer_not_read(&buf);
	out->done++;
	buffer_end(&buf);
}

static const char * const late_functions[] = {
	"try_to_migrate", "remove_migration_pte", "move_to_new_folio", "do_swap_page",
	"do_wp_page",
};

static void test_random(void)
{
	struct pressure press = { .churn_percent = 20, .seed = opt.seed };
	long end = cu_now_ms() + opt.seconds * 1000;
	struct outcome out = { 0 };
	size_t i;

	for (i = 0; race_there() && i < ARRAY_SIZE(late_functions); i++)
		race_delay(late_functions[i], 200, 5 + i);
	pressure_begin(&press, PRESS_CHURN | PRESS_MEMORY | PRESS_NODES);
	while (cu_now_ms() < end && !out.why)
		random_round(&out);
	pressure_end(&press);
	if (race_there())
		race_clear();
	tell(&out, true, "all of it at random");
}

/* In the end, nothing is left of all this. */
static void test_rest(long reports, long pins, unsigned long free)
{
	struct free_audit audit;
	unsigned long after;
	bool unpinned;
	long isolated;

	isolated = isolated_pages();
	reports = isolated_reports() - reports;
	after = node_free(0) + node_free(NODE);
	if (free_audit(&audit))
		ksft_print_msg("no module to audit the free lists\n");
	unpinned = wait_unpinned(pins);
	ksft_print_msg("isolated %ld, below zero %ld, free %lu of %lu, unequal %ld, bad %ld\n",
		       isolated, reports, after, free, audit.unequal,
		       audit.bad);
	ksft_print_msg("pinned %ld of %ld\n", pins_left(), pins);
	ksft_test_result(!isolated && !reports && !audit.unequal && unpinned &&
			 !audit.bad && after + NOISE > free,
			 "no page is isolated, pinned, lost or counted twice\n");
}

/* Is there memory that may go? */
static bool block_there(void)
{
	struct buffer buf;
	bool there;

	if (buffer_make(&buf, NODE, false))
		return false;
	there = node_of_page(buf.area) == NODE && is_movable(buf.area) &&
		block_of(buf.area) >= 0;
	buffer_end(&buf);
	return there;
}

static const struct cu_option options[] = {
	{ "rounds", "N", &opt.rounds, 0, 1000 },
	{ "seconds", "N", &opt.seconds, 0, 3600 },
	{ }
};

int main(int argc, char **argv)
{
	char swap_disk[32];
	unsigned long free;
	long reports, pins;
	const char *why;
	size_t i;

	cu_init();
	cu_parse(argc, argv, &opt.seed, options);
	ksft_print_header();
	slow_seed = opt.seed;	/* the disks' contents come of it */
	why = scene_set("madvise");
	if (!why && !block_there())
		why = "no memory of node 1 may go";
	if (!why)
		why = disks_make();
	if (why)
		ksft_exit_skip("%s\n", why);
	ksft_set_plan(7 + NR_FORKS + ARRAY_SIZE(disturbances));
	ksft_print_msg("seed %llu\n", opt.seed);
	cu_rng_seed(&rng, opt.seed);
	why = dev_zram(swap_disk, sizeof(swap_disk), SWAP_MIB) ?:
	      dev_swap(swap_disk, SWAP_MIB);
	swap = !why;
	if (!race_there())
		ksft_print_msg("no module to delay functions\n");
	reports = isolated_reports();
	pins = pins_left();
	free = node_free(0) + node_free(NODE);

	test_offline(false);
	test_offline(true);
	test_interrupt();
	test_registered();
	for (i = 0; i < ARRAY_SIZE(disturbances); i++)
		test_disturbed(&disturbances[i]);
	for (i = 0; i < NR_FORKS; i++)
		test_fork(i);
	test_pieces();
	test_random();
	if (swap)
		swapoff(swap_disk);
	test_rest(reports, pins, free);
	disks_end();
	ksft_finished();
}
