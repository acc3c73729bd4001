// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in a guest whose configuration or whose user space is not the lab's usual
 * one: is this kernel alive, and does its compaction work, or is it not there? TAP.
 *
 * usage: alive compaction|none [FILE=VALUE...]
 *
 * FILE is one of /proc or /sys whose first word has to be VALUE.
 *
 * Built with the kernel's own nolibc, so that a guest of another word size needs no
 * C library; and it can be a guest's init, with the ports that lab/init has: its
 * output goes to ttyS1 then and its status to ttyS2.
 */
#include <linux/sysinfo.h>

#define PATTERN	0x5ca77e2dUL
#define MOST	(256UL << 20)
#define RESERVE	(24UL << 20)
#define DOOR	"/proc/sys/vm/compact_memory"
#define NODE	"/sys/devices/system/node/node0/compact"
#define HUGE	"/proc/sys/vm/nr_hugepages"
#define DEBUG	"/sys/kernel/debug"
#define CMA	DEBUG "/cma/reserved/"
#define POWER	"/sys/power/"

static int nr, bad;

static void result(int good, const char *what)
{
	bad += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", ++nr, what);
}

static void skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++nr, what, why);
}

static int there(const char *path)
{
	int fd = open(path, O_RDONLY, 0);

	/* one for writing only refuses */
	if (fd < 0)
		return errno != ENOENT && errno != ENOTDIR;
	close(fd);
	return 1;
}

/* The length of what was read, which ends with a 0; -1 if there is no such file. */
static int slurp(const char *path, char *buf, int size)
{
	int fd = open(path, O_RDONLY, 0), len = 0, n;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	buf[len] = 0;
	return len;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY, 0), len = strlen(text), n;

	if (fd < 0)
		return 0;
	n = write(fd, text, len);
	close(fd);
	return n == len;
}

static int first_word_is(const char *path, const char *want)
{
	static char buf[256];
	int len = strlen(want);

	return slurp(path, buf, sizeof(buf)) >= len && !memcmp(buf, want, len) &&
	       (!buf[len] || buf[len] == '\n' || buf[len] == ' ' || buf[len] == '\t');
}

/* A counter of /proc/vmstat; -1 if it is not there. */
static long count(const char *name)
{
	static char buf[32768];
	int len = strlen(name);
	char *line = buf;

	if (slurp("/proc/vmstat", buf, sizeof(buf)) < 0)
		return -1;
	for (;;) {
		if (!memcmp(line, name, len) && line[len] == ' ')
			return atol(line + len + 1);
		line = strchr(line, '\n');
		if (!line || !*++line)
			return -1;
	}
}

static int thread_exists(const char *name)
{
	char path[32];
	int pid;

	for (pid = 2; pid < 1000; pid++) {
		memcpy(path, "/proc/", 7);
		itoa_r(pid, path + 6);
		strlcat(path, "/comm", sizeof(path));
		if (first_word_is(path, name))
			return 1;
	}
	return 0;
}

static void check_compaction(const char *door)
{
	long before = count("compact_migrate_scanned"), moved = count("compact_isolated");

	result(put(door, "1"), "compaction runs when it is told to");
	if (before < 0) {
		skip("compaction counts", "no such counter here");
	} else {
		printf("# %ld pages scanned, %ld isolated\n",
		       count("compact_migrate_scanned") - before,
		       count("compact_isolated") - moved);
		result(count("compact_migrate_scanned") > before &&
		       count("compact_isolated") > moved, "compaction counts what it does");
	}
	if (there("/proc/1/comm"))
		result(thread_exists("kcompactd0"), "kcompactd is there");
	else
		skip("kcompactd is there", "no /proc");
}

static unsigned long free_memory(void)
{
	struct sysinfo info;

	my_syscall1(__NR_sysinfo, &info);
	return info.freeram * info.mem_unit;
}

/* Take memory, give three pages of four back, compact, and look at the rest. */
static void check_memory(const char *door)
{
	unsigned long size = free_memory() / 2, page = 4096, i, wrong = 0;
	char *mem;

	size = (size < MOST ? size : MOST) & -page;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	result(mem != MAP_FAILED, "memory can be had");
	if (mem == MAP_FAILED)
		return;

	/* a part of a huge page would not be given back */
	my_syscall3(__NR_madvise, mem, size, MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += page)
		*(unsigned long *)(mem + i) = PATTERN ^ i;
	for (i = 0; i < size; i += 4 * page)
		my_syscall3(__NR_madvise, mem + i, 3 * page, MADV_DONTNEED);

	if (door)
		check_compaction(door);

	for (i = 3 * page; i < size; i += 4 * page)
		wrong += *(unsigned long *)(mem + i) != (PATTERN ^ i);
	printf("# %lu MiB\n", size >> 20);
	result(!wrong, "memory keeps its contents");
	munmap(mem, size);
}

/* Every second page of nearly all memory is in use: so is the range. */
static void check_range(void)
{
	unsigned long size = free_memory(), page = 4096, i, wrong = 0;
	long moved;
	char *mem;

	/* nobody else is to move pages, and little is to be left */
	put("/proc/sys/vm/compaction_proactiveness", "0");
	put("/proc/sys/vm/min_free_kbytes", "4096");
	size = (size > RESERVE ? size - RESERVE : 0) & -page;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		result(0, "memory can be had for a contiguous range");
		return;
	}
	my_syscall3(__NR_madvise, mem, size, MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += page)
		*(unsigned long *)(mem + i) = PATTERN ^ i;
	for (i = 0; i < size; i += 2 * page)
		my_syscall3(__NR_madvise, mem + i, page, MADV_DONTNEED);

	moved = count("pgmigrate_success");
	result(put(CMA "alloc", "8192") && put(CMA "free", "8192"),
	       "a contiguous range can be had");
	for (i = page; i < size; i += 2 * page)
		wrong += *(unsigned long *)(mem + i) != (PATTERN ^ i);
	moved = count("pgmigrate_success") - moved;
	printf("# %ld pages moved for it\n", moved);
	result(moved > 0 && !wrong, "what was in the range has moved, with its contents");
	munmap(mem, size);
}

/* "cma=" is on the command line if there is anything to see it by. */
static void check_cma(void)
{
	mount("debugfs", DEBUG, "debugfs", 0, NULL);
	if (!there(CMA "alloc"))
		skip("a contiguous range can be had", "no CMA to ask");
	else if (count("pgmigrate_success") < 0)
		skip("a contiguous range can be had", "no /proc to see pages move");
	else
		check_range();
}

/* All tasks are frozen, for five seconds; one that does not freeze is an error. */
static void check_freezer(void)
{
	if (!there(POWER "pm_test"))
		skip("all tasks can be frozen", "no suspend here");
	else
		result(put(POWER "pm_test", "freezer") && put(POWER "state", "freeze"),
		       "all tasks can be frozen");
}

static void run(int argc, char **argv)
{
	int wanted = argc > 1 && !strcmp(argv[1], "compaction"), i;
	const char *door = there(DOOR) ? DOOR : there(NODE) ? NODE : NULL;

	if (wanted) {
		result(!!door, "there is a file to start compaction with");
	} else {
		result(!door, "there is no file to start compaction with");
		result(count("compact_stall") < 0 && count("compact_migrate_scanned") < 0,
		       "nothing counts compaction");
		result(!thread_exists("kcompactd0"), "there is no kcompactd");
	}
	check_memory(wanted ? door : NULL);

	if (!there(HUGE))
		skip("huge pages can be had", "no hugetlb here");
	else
		result(put(HUGE, "8") && first_word_is(HUGE, "8") && put(HUGE, "0"),
		       "huge pages can be had");

	check_cma();
	check_freezer();

	for (i = 2; i < argc; i++) {
		char *value = strrchr(argv[i], '=');

		if (!value)
			continue;
		*value = 0;
		printf("# %s has to be %s\n", argv[i], value + 1);
		result(first_word_is(argv[i], value + 1), argv[i]);
	}
	printf("1..%d\n", nr);
}

static void drain(int fd)
{
	my_syscall3(__NR_ioctl, fd, TCSBRK, 1);
}

int main(int argc, char **argv)
{
	int init = getpid() == 1, status;

	/* Where they are already, this fails, and that is fine. */
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	if (!init) {
		run(argc, argv);
		return !!bad;
	}

	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	dup2(open("/dev/ttyS1", O_WRONLY, 0), 1);
	run(argc, argv);
	drain(1);
	status = open("/dev/ttyS2", O_WRONLY, 0);
	write(status, bad ? "status 1\n" : "status 0\n", 9);
	drain(status);
	reboot(LINUX_REBOOT_CMD_RESTART);
	return 1;
}
