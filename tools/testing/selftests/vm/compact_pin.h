/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that somebody holds who is not a page table: pages that come late, so that
 * who waits for them holds those before them; rings of io_uring; a disk whose
 * requests take a while; and where a page is and what it counts as meanwhile.
 */
#ifndef __COMPACT_PIN_H
#define __COMPACT_PIN_H

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "compact_util.h"

#define CU_KPF_TAIL	16
#define CU_KPF_THP	22

/* Nodes, and the CPUs that are on them. */

static inline int node_cpu(int node)
{
	char path[64];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/cpulist", node);
	return cu_read_long(path);
}

static inline int run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static inline int run_on_node(int node)
{
	int cpu = node_cpu(node);

	return cpu < 0 ? -1 : run_on_cpu(cpu);
}

/* The node of a page, or -errno. */
static inline int node_of_page(const void *addr)
{
	int status = -EINVAL;

	if (syscall(SYS_move_pages, 0, 1UL, &addr, NULL, &status, 0))
		return -errno;
	return status;
}

/* What /proc/kpageflags says of a frame; what a huge page is, its head is. */
static inline __u64 frame_flags(__u64 pfn)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	__u64 flags[2] = { 0, 0 };
	unsigned int i;

	for (i = 0; fd >= 0 && i < 2; i++) {
		if (pread(fd, &flags[i], sizeof(flags[i]),
			  pfn * sizeof(flags[i])) != sizeof(flags[i]))
			flags[i] = 0;
		if (!(flags[i] & cu_kpf(CU_KPF_TAIL)))
			break;
		pfn &= -(1ULL << cu_huge_order());
	}
	close(fd);
	return flags[0] | flags[1];
}

/* Pages that wait in the batches of a CPU go to their LRU lists. */
static inline void drain_batches(void)
{
	cu_write_text("/proc/sys/vm/drop_caches", "1");
}

/* Of the pages of a range, how many are on no LRU list, and do not get there? */
static inline size_t pages_off_lru(const char *addr, size_t pages)
{
	size_t off = pages, i;
	__u64 pfn;
	int try;

	for (try = 0; try < 20 && off; try++) {
		if (try)
			cu_sleep_ms(50);
		drain_batches();
		for (off = 0, i = 0; i < pages; i++)
			if (cu_pfns(addr + i * cu_psize, 1, &pfn) ||
			    (pfn && !(frame_flags(pfn) & cu_kpf(CU_KPF_LRU))))
				off++;
	}
	return off;
}

/* How many pins are there that nobody has let go of? Of the whole machine. */
static inline long pins_left(void)
{
	cu_write_text("/proc/sys/vm/stat_refresh", "1");
	return cu_vmstat("nr_foll_pin_acquired") -
	       cu_vmstat("nr_foll_pin_released");
}

/*
 * Counts below zero read as 0, but stat_refresh reports them in the kernel log.
 * Returns how many reports on isolated pages it holds.
 */
static inline long isolated_reports(void)
{
	static char log[1024 * 1024];
	const char *at = log;
	long nr = 0;
	int len;

	len = klogctl(3, log, sizeof(log) - 1);
	log[len > 0 ? len : 0] = '\0';
	while ((at = strstr(at, "vmstat_refresh: nr_isolated"))) {
		nr++;
		at++;
	}
	return nr;
}

/* Pages that count as isolated on some node, once all is at rest. */
static inline long isolated_pages(void)
{
	static struct cu_zones zones;
	long nr = 0;
	int try, i;

	for (try = 0; try < 60; try++) {
		cu_write_text("/proc/sys/vm/stat_refresh", "1");
		cu_read_zones(&zones);
		for (nr = 0, i = 0; i < zones.nr; i++)
			nr += zones.zone[i].isolated;
		if (!nr)
			break;
		cu_sleep_ms(50);
	}
	return nr;
}

/* Pages that come late: they are not there until they are given. */

static inline int late_open(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The pages are new ones. */
static inline int late_pages(int fd, void *addr, size_t pages)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)addr, pages * cu_psize },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (mmap(addr, pages * cu_psize, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != addr)
		return -errno;
	return ioctl(fd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

/* Somebody has come to wait for the page. Bounded. */
static inline int late_wanted(int fd, const void *addr, long ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	long end = cu_now_ms() + ms;
	struct uffd_msg msg;

	while (cu_now_ms() < end) {
		if (poll(&wait, 1, 100) != 1 ||
		    read(fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.event == UFFD_EVENT_PAGEFAULT &&
		    msg.arg.pagefault.address / cu_psize ==
		    (uintptr_t)addr / cu_psize)
			return 0;
	}
	return -ETIMEDOUT;
}

static inline int late_give(int fd, void *addr, const void *from, size_t pages)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)addr,
		.src = (uintptr_t)from,
		.len = pages * cu_psize,
	};

	while (ioctl(fd, UFFDIO_COPY, &copy)) {
		if (errno != EAGAIN)
			return -errno;
		copy.copy = 0;
	}
	return 0;
}

/* A ring of io_uring, that may have one buffer that is registered. */

struct ring {
	int fd;
	bool registered;
	unsigned int *tail, *mask, *array;
	unsigned int *done_head, *done_tail, *done_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	size_t size, sqe_size;
	char *map;
};

static inline void ring_close(struct ring *ring)
{
	if (ring->fd < 0)
		return;
	syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS,
		NULL, 0);
	if (ring->map)
		munmap(ring->map, ring->size);
	if (ring->sqe)
		munmap(ring->sqe, ring->sqe_size);
	close(ring->fd);
	ring->fd = -1;
}

static inline void *ring_map(const struct ring *ring, size_t size, off_t at)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 ring->fd, at);

	return map == MAP_FAILED ? NULL : map;
}

static inline int ring_open(struct ring *ring, unsigned int entries)
{
	struct io_uring_params p;

	memset(&p, 0, sizeof(p));
	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		return -errno;
	fcntl(ring->fd, F_SETFD, FD_CLOEXEC);
	/* Both rings are in one mapping since Linux 5.4. */
	ring->size = p.cq_off.cqes + p.cq_entries * sizeof(*ring->cqe);
	ring->sqe_size = p.sq_entries * sizeof(*ring->sqe);
	ring->map = ring_map(ring, ring->size, IORING_OFF_SQ_RING);
	ring->sqe = ring_map(ring, ring->sqe_size, IORING_OFF_SQES);
	if (!ring->map || !ring->sqe) {
		ring_close(ring);
		return -ENOMEM;
	}
	ring->tail = (void *)(ring->map + p.sq_off.tail);
	ring->mask = (void *)(ring->map + p.sq_off.ring_mask);
	ring->array = (void *)(ring->map + p.sq_off.array);
	ring->done_head = (void *)(ring->map + p.cq_off.head);
	ring->done_tail = (void *)(ring->map + p.cq_off.tail);
	ring->done_mask = (void *)(ring->map + p.cq_off.ring_mask);
	ring->cqe = (void *)(ring->map + p.cq_off.cqes);
	return 0;
}

static inline int ring_register(struct ring *ring, void *addr, size_t len)
{
	struct iovec iov = { addr, len };

	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS,
		    &iov, 1))
		return -errno;
	ring->registered = true;
	return 0;
}

/* Begins to read, into the buffer that is registered if one is. Returns 0 or -errno. */
static inline int ring_read(struct ring *ring, int fd, void *addr,
			    unsigned int len, __u64 offset)
{
	unsigned int tail = *ring->tail, at = tail & *ring->mask;
	struct io_uring_sqe *sqe = &ring->sqe[at];
	int ret;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = ring->registered ? IORING_OP_READ_FIXED : IORING_OP_READ;
	sqe->fd = fd;
	sqe->addr = (uintptr_t)addr;
	sqe->len = len;
	sqe->off = offset;
	ring->array[at] = at;
	__atomic_store_n(ring->tail, tail + 1, __ATOMIC_RELEASE);
	ret = syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0);
	return ret == 1 ? 0 : ret < 0 ? -errno : -EAGAIN;
}

/* How many requests have ended that nobody has waited for yet? */
static inline unsigned int ring_ended(const struct ring *ring)
{
	syscall(SYS_io_uring_enter, ring->fd, 0, 0, IORING_ENTER_GETEVENTS,
		NULL, 0);
	return __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE) -
	       *ring->done_head;
}

/*
 * Waits for nr requests that read len bytes each. Returns how many have not ended
 * in time, or not as they should have.
 */
static inline unsigned int ring_wait(struct ring *ring, unsigned int nr,
				     int len, long ms)
{
	unsigned int wrong = 0, head;
	long end = cu_now_ms() + ms;

	while (nr) {
		head = *ring->done_head;
		if (head != __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE)) {
			wrong += ring->cqe[head & *ring->done_mask].res != len;
			__atomic_store_n(ring->done_head, head + 1,
					 __ATOMIC_RELEASE);
			nr--;
			continue;
		}
		if (cu_now_ms() >= end)
			break;
		syscall(SYS_io_uring_enter, ring->fd, 0, 0,
			IORING_ENTER_GETEVENTS, NULL, 0);
		cu_sleep_ms(1);
	}
	return nr + wrong;
}

/* Reads by AIO. */

static inline int aio_read(aio_context_t ctx, int fd, void *addr, size_t len,
			   __s64 offset)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)addr,
		.aio_nbytes = len,
		.aio_offset = offset,
		.aio_data = len,
	};
	struct iocb *list = &cb;
	int ret = syscall(SYS_io_submit, ctx, 1L, &list);

	return ret == 1 ? 0 : ret < 0 ? -errno : -EAGAIN;
}

/* Returns how many of nr reads have not ended in time, or not as they should. */
static inline unsigned int aio_wait(aio_context_t ctx, unsigned int nr, long ms)
{
	long end = cu_now_ms() + ms, left = ms;
	struct io_event event[16];
	unsigned int wrong = 0;
	struct timespec wait;
	long got, i;

	while (nr && left > 0) {
		wait.tv_sec = left / 1000;
		wait.tv_nsec = left % 1000 * 1000000;
		got = syscall(SYS_io_getevents, ctx, 1L,
			      nr < 16 ? (long)nr : 16L, event, &wait);
		for (i = 0; i < got; i++, nr--)
			wrong += (__u64)event[i].res != event[i].data;
		left = end - cu_now_ms();
	}
	return nr + wrong;
}

/*
 * Disks that transfer so many bytes in each fiftieth of a second and no more. A
 * request that does not fit waits, and its data is transferred when it is its turn;
 * one that is larger than that would wait for ever, so there is none.
 */

#define CONFIGFS	"/sys/kernel/config"
#define SLOW_REQUEST	16384
#define SLOW_MS		20

static inline int slow_set(const char *disk, const char *name, long val)
{
	char path[128];

	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s/%s", disk, name);
	return cu_write_long(path, val);
}

/* Makes the disk /dev/NAME. Returns 0 or -errno. */
static inline int slow_make(const char *name, unsigned int mib)
{
	char path[128];
	int err, try;

	if (access(CONFIGFS "/nullb", F_OK) &&
	    mount("configfs", CONFIGFS, "configfs", 0, NULL))
		return -errno;
	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s", name);
	if (mkdir(path, 0700))
		return -errno;
	err = slow_set(name, "size", mib) ?: slow_set(name, "blocksize", 512) ?:
	      slow_set(name, "memory_backed", 1) ?: slow_set(name, "mbps", 1) ?:
	      slow_set(name, "max_sectors", SLOW_REQUEST / 512) ?:
	      slow_set(name, "hw_queue_depth", 256) ?:
	      slow_set(name, "no_sched", 1) ?: slow_set(name, "power", 1);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/dev/%s", name);
	for (try = 0; try < 50; try++) {
		if (!access(path, R_OK | W_OK))
			return 0;
		cu_sleep_ms(20);
	}
	return -errno;
}

static inline void slow_end(const char *name)
{
	char path[128];

	slow_set(name, "power", 0);
	snprintf(path, sizeof(path), CONFIGFS "/nullb/%s", name);
	rmdir(path);
}

#endif /* __COMPACT_PIN_H */
