// SPDX-License-Identifier: GPL-2.0
/*
 * Widens races and makes functions fail, for the tests: at the entry of any function
 * of the kernel that is not inlined it waits, or returns an error in its place.
 * So no line of the kernel under test is changed for it, and the kernel that is
 * broken on purpose is treated like the good one.
 *
 *   /sys/kernel/debug/race (0600)
 *	write	delay FUNCTION MICROSECONDS EVERY	waits at every EVERYth call
 *		fail FUNCTION VALUE EVERY		returns VALUE instead
 *		alive					watches anon_vmas, see below
 *		clear					takes all of it back
 *	read	what is set, with the number of calls and how many were hit, and
 *		of these how many by tasks of which name: "3 hit, move 2, kcompactd0 1";
 *		and what the watch has seen: "alive: N remapped, N held alone,
 *		N too late, N orphans, N cached"
 *
 * The wait is a busy one with preemption off and, as a rule, interrupts on: whoever
 * runs on another CPU goes on meanwhile. A function that fails has done nothing,
 * so the value has to be one that it returns before it does anything.
 *
 * "alive": when migration goes to map a page again, the anon_vma by which it finds
 * the page tables must be held by somebody; otherwise a warning ends the test.
 * And who has asked for the anon_vma of a page that is not mapped must not get one.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#define MAX_POINTS	16
#define MAX_DELAY_US	100000
/* Tasks of further names are the others. */
#define MAX_NAMES	16

/* Who was hit. */
struct name {
	char comm[TASK_COMM_LEN];
	unsigned int hits;
};

struct point {
	struct kprobe kp;
	char symbol[64];
	bool fail;
	long value;		/* to return, or microseconds to wait */
	unsigned int every;
	atomic_t calls;
	atomic_t hits;
	arch_spinlock_t lock;	/* of names; lockdep would take a probe for an NMI */
	struct name names[MAX_NAMES];
	atomic_t others;	/* hits by tasks of further names */
};

static DEFINE_MUTEX(points_lock);
static struct point *points[MAX_POINTS];
static unsigned int nr_points;
static bool watching;

/* What the watch has seen. */
static atomic_t remapped;	/* anonymous pages */
static atomic_t held_alone;	/* of these, with an anon_vma that lives for us */
static atomic_t late;		/* asked for when nothing is mapped, and still there */
static atomic_t orphans;	/* moved in the swap cache, and its anon_vma gone */
static atomic_t cached;		/* moved in the swap cache */

/* What "return value;" as the first statement would do. */
static void return_at_once(struct pt_regs *regs, long value)
{
	regs->ax = value;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
}

static void count_by_name(struct point *point)
{
	struct name *name = point->names;
	unsigned long flags;

	local_irq_save(flags);
	arch_spin_lock(&point->lock);
	for (; name < point->names + MAX_NAMES; name++) {
		if (name->hits && strncmp(name->comm, current->comm, TASK_COMM_LEN))
			continue;
		memcpy(name->comm, current->comm, TASK_COMM_LEN);
		name->hits++;
		break;
	}
	if (name == point->names + MAX_NAMES)
		atomic_inc(&point->others);
	arch_spin_unlock(&point->lock);
	local_irq_restore(flags);
}
NOKPROBE_SYMBOL(count_by_name);

static int point_hit(struct kprobe *kp, struct pt_regs *regs)
{
	struct point *point = container_of(kp, struct point, kp);

	if (atomic_inc_return(&point->calls) % point->every)
		return 0;
	atomic_inc(&point->hits);
	count_by_name(point);
	if (point->fail) {
		return_at_once(regs, point->value);
		return 1;
	}
	if (point->value >= 1000)
		mdelay(point->value / 1000);
	else
		udelay(point->value);
	return 0;
}
NOKPROBE_SYMBOL(point_hit);

/* That there is one keeps the probe from being optimized, which cannot return. */
static void point_passed(struct kprobe *kp, struct pt_regs *regs,
			 unsigned long flags)
{
}

static struct anon_vma *anon_vma_of(struct folio *folio)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	if ((mapping & PAGE_MAPPING_FLAGS) != PAGE_MAPPING_ANON)
		return NULL;
	return (struct anon_vma *)(mapping - PAGE_MAPPING_ANON);
}

/* For its address alone, which nobody else tells a module. */
static struct kprobe restore_probe = {
	.symbol_name	= "remove_migration_pte",
};

/*
 * rmap_walk(folio, rwc). remove_migration_ptes() is inlined where it matters, and
 * calls it to have remove_migration_pte() done for each mapping.
 */
static int watch_remap(struct kprobe *kp, struct pt_regs *regs)
{
	struct anon_vma *anon_vma = anon_vma_of((struct folio *)regs->di);
	struct rmap_walk_control *rwc = (struct rmap_walk_control *)regs->si;
	int holders;

	if (!anon_vma || (void *)rwc->rmap_one != (void *)restore_probe.addr)
		return 0;
	holders = atomic_read(&anon_vma->refcount);
	WARN(!holders,
	     "race: nobody holds the anon_vma of a page that is mapped again\n");
	atomic_inc(&remapped);
	if (holders == 1)
		atomic_inc(&held_alone);
	return 0;
}

static struct kprobe remap_probe = {
	.symbol_name	= "rmap_walk",
	.pre_handler	= watch_remap,
};

/* folio_migrate_flags(dst, src): the page has moved, and is not mapped again. */
static int watch_move(struct kprobe *kp, struct pt_regs *regs)
{
	struct folio *folio = (struct folio *)regs->si;
	struct anon_vma *anon_vma = anon_vma_of(folio);

	if (!anon_vma || !folio_test_swapcache(folio))
		return 0;
	atomic_inc(&cached);
	if (!atomic_read(&anon_vma->refcount))
		atomic_inc(&orphans);
	return 0;
}

static struct kprobe move_probe = {
	.symbol_name	= "folio_migrate_flags",
	.pre_handler	= watch_move,
};

/*
 * folio_get_anon_vma(folio): a page that is locked, isolated, anonymous and not
 * mapped at the beginning cannot become mapped while it runs. Its anon_vma may be
 * there all the same.
 */
static int watch_get(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct folio *folio = (struct folio *)regs->di;
	struct anon_vma **late_for = (struct anon_vma **)ri->data;

	*late_for = NULL;
	if (folio_test_locked(folio) && !folio_test_lru(folio) &&
	    !folio_test_swapcache(folio) && !folio_mapped(folio))
		*late_for = anon_vma_of(folio);
	return 0;
}

static int watch_got(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct anon_vma *late_for = *(struct anon_vma **)ri->data;

	if (!late_for)
		return 0;
	WARN(regs_return_value(regs),
	     "race: an anon_vma for a page that is not mapped\n");
	if (atomic_read(&late_for->refcount))
		atomic_inc(&late);
	return 0;
}

static struct kretprobe get_probe = {
	.kp.symbol_name	= "folio_get_anon_vma",
	.entry_handler	= watch_get,
	.handler	= watch_got,
	.data_size	= sizeof(struct anon_vma *),
	.maxactive	= 64,
};

/* As it was before: without an address, and not disabled as it is by now. */
static void forget(struct kprobe *kp)
{
	kp->addr = NULL;
	kp->flags = 0;
}

static void unwatch(void)
{
	if (watching)
		unregister_kretprobe(&get_probe);
	unregister_kprobe(&move_probe);
	unregister_kprobe(&remap_probe);
	forget(&restore_probe);
	forget(&remap_probe);
	forget(&move_probe);
	forget(&get_probe.kp);
	watching = false;
}

/* Those that come later are called earlier: the watch sees what is after a wait. */
static int watch(void)
{
	int ret;

	if (watching)
		return 0;
	atomic_set(&remapped, 0);
	atomic_set(&held_alone, 0);
	atomic_set(&late, 0);
	atomic_set(&orphans, 0);
	atomic_set(&cached, 0);
	ret = register_kprobe(&restore_probe);
	if (!ret)
		unregister_kprobe(&restore_probe);
	ret = ret ?: register_kprobe(&remap_probe) ?:
	      register_kprobe(&move_probe) ?:
	      register_kretprobe(&get_probe);
	watching = !ret;
	if (ret)
		unwatch();
	return ret;
}

static void clear(void)
{
	while (nr_points) {
		struct point *point = points[--nr_points];

		unregister_kprobe(&point->kp);
		kfree(point);
	}
	unwatch();
}

static int add_point(const char *symbol, bool fail, long value,
		     unsigned int every)
{
	struct point *point;
	int ret;

	if (!every || (!fail && (value < 0 || value > MAX_DELAY_US)))
		return -EINVAL;
	if (nr_points == MAX_POINTS)
		return -ENOSPC;
	point = kzalloc(sizeof(*point), GFP_KERNEL);
	if (!point)
		return -ENOMEM;
	strscpy(point->symbol, symbol, sizeof(point->symbol));
	point->fail = fail;
	point->value = value;
	point->every = every;
	point->lock = (arch_spinlock_t)__ARCH_SPIN_LOCK_UNLOCKED;
	point->kp.symbol_name = point->symbol;
	point->kp.pre_handler = point_hit;
	if (fail)
		point->kp.post_handler = point_passed;

	ret = register_kprobe(&point->kp);
	if (ret)
		kfree(point);
	else
		points[nr_points++] = point;
	return ret;
}

static int command(const char *text)
{
	char what[8], symbol[64];
	unsigned int every;
	long value;
	int n;

	n = sscanf(text, "%7s %63s %ld %u", what, symbol, &value, &every);
	if (n == 4 && !strcmp(what, "delay"))
		return add_point(symbol, false, value, every);
	if (n == 4 && !strcmp(what, "fail"))
		return add_point(symbol, true, value, every);
	if (n == 1 && !strcmp(what, "alive"))
		return watch();
	if (n == 1 && !strcmp(what, "clear")) {
		clear();
		return 0;
	}
	return -EINVAL;
}

static ssize_t race_write(struct file *file, const char __user *from,
			  size_t len, loff_t *ppos)
{
	char text[128];
	int ret;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	mutex_lock(&points_lock);
	ret = command(text);
	mutex_unlock(&points_lock);
	return ret ?: len;
}

static void show_point(struct seq_file *m, const struct point *point)
{
	const struct name *name = point->names;

	seq_printf(m, "%s %s %ld every %u: %d calls, %d hit",
		   point->fail ? "fail" : "delay", point->symbol, point->value,
		   point->every, atomic_read(&point->calls), atomic_read(&point->hits));
	for (; name < point->names + MAX_NAMES && READ_ONCE(name->hits); name++)
		seq_printf(m, ", %.*s %u", TASK_COMM_LEN, name->comm,
			   READ_ONCE(name->hits));
	if (atomic_read(&point->others))
		seq_printf(m, ", others %d", atomic_read(&point->others));
	seq_putc(m, '\n');
}

static int race_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	mutex_lock(&points_lock);
	for (i = 0; i < nr_points; i++)
		show_point(m, points[i]);
	if (watching)
		seq_printf(m, "alive: %d remapped, %d held alone, %d too late, %d orphans, %d cached\n",
			   atomic_read(&remapped), atomic_read(&held_alone),
			   atomic_read(&late), atomic_read(&orphans), atomic_read(&cached));
	mutex_unlock(&points_lock);
	return 0;
}

static int race_open(struct inode *inode, struct file *file)
{
	return single_open(file, race_show, NULL);
}

static const struct file_operations race_fops = {
	.owner		= THIS_MODULE,
	.open		= race_open,
	.read		= seq_read,
	.write		= race_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static struct dentry *race_file;

static int __init race_init(void)
{
	race_file = debugfs_create_file("race", 0600, NULL, NULL, &race_fops);
	return PTR_ERR_OR_ZERO(race_file);
}

static void __exit race_exit(void)
{
	debugfs_remove(race_file);
	clear();
}

module_init(race_init);
module_exit(race_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Delays and failures at the entry of functions, for tests");
