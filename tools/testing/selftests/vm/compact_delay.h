/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Delay accounting: how often a task has waited for compaction, as getdelays
 * asks for it by generic netlink.
 */
#ifndef __COMPACT_DELAY_H
#define __COMPACT_DELAY_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compact_util.h"

struct delay_message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[1024];
};

static inline struct nlattr *delay_find(void *attrs, int len, int type)
{
	struct nlattr *attr = attrs;

	while (len >= (int)sizeof(*attr) && attr->nla_len >= sizeof(*attr)) {
		int step = NLA_ALIGN(attr->nla_len);

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		attr = (struct nlattr *)((char *)attr + step);
		len -= step;
	}
	return NULL;
}

/* One command with one attribute; returns the length of the answer's. */
static inline int delay_ask(int fd, struct delay_message *msg, int family,
			    int cmd, int type, const void *val, size_t len)
{
	struct nlattr *attr = (struct nlattr *)msg->attrs;

	memset(msg, 0, sizeof(*msg));
	msg->head.nlmsg_type = family;
	msg->head.nlmsg_flags = NLM_F_REQUEST;
	msg->genl.cmd = cmd;
	msg->genl.version = 1;
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy((char *)attr + NLA_HDRLEN, val, len);
	msg->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) +
			      NLA_ALIGN(attr->nla_len);
	if (send(fd, msg, msg->head.nlmsg_len, 0) < 0 ||
	    recv(fd, msg, sizeof(*msg), 0) < 0 ||
	    msg->head.nlmsg_type == NLMSG_ERROR)
		return -1;
	return msg->head.nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
}

/* How often, and how long, this task has waited for compaction; -1: nobody counts. */
static inline long delay_compactions(long *us)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct delay_message msg;
	struct nlattr *attr;
	__u32 pid = syscall(SYS_gettid);
	__u64 told[2];		/* compact_count, compact_delay_total */
	long count = -1;
	int len;

	len = delay_ask(fd, &msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
			CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME,
			sizeof(TASKSTATS_GENL_NAME));
	attr = delay_find(msg.attrs, len, CTRL_ATTR_FAMILY_ID);
	if (!attr)
		goto out;
	len = delay_ask(fd, &msg, *(__u16 *)(attr + 1), TASKSTATS_CMD_GET,
			TASKSTATS_CMD_ATTR_PID, &pid, sizeof(pid));
	attr = delay_find(msg.attrs, len, TASKSTATS_TYPE_AGGR_PID);
	if (attr)
		attr = delay_find(attr + 1, attr->nla_len - NLA_HDRLEN,
				  TASKSTATS_TYPE_STATS);
	/* A kernel that knows less of it says less. */
	len = offsetof(struct taskstats, compact_count) + sizeof(told);
	if (!attr || attr->nla_len - NLA_HDRLEN < len)
		goto out;
	memcpy(told, (char *)(attr + 1) +
	       offsetof(struct taskstats, compact_count), sizeof(told));
	count = told[0];
	*us = told[1] / 1000;
out:
	close(fd);
	return count;
}

#endif /* __COMPACT_DELAY_H */
