/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading trace events in the compaction tests.
 */
#ifndef __COMPACT_TRACE_H
#define __COMPACT_TRACE_H

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compact_util.h"

#define TRACING		"/sys/kernel/tracing/"
#define TRACE_EVENTS	TRACING "events/compaction/"

struct event {
	int pid;
	char name[48];
	char text[256];		/* " field=value field=value" */
};

static inline int trace_switch(const char *event, const char *to)
{
	char path[128];

	snprintf(path, sizeof(path), TRACE_EVENTS "%s/enable", event);
	return cu_write_text(path, to);
}

/* Forgets what has been traced before. */
static inline int trace_begin(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	if (fd < 0)
		return -errno;
	close(fd);
	return cu_write_text(TRACING "tracing_on", "1");
}

/* These events, from now on. */
static inline int trace_watch(const char * const *events, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (trace_switch(events[i], "1"))
			return -ENOENT;
	return trace_begin();
}

/* Returns all that has been traced, to be freed, or NULL. */
static inline char *trace_end(void)
{
	size_t len = 0, room = 1 << 20;
	char *text = malloc(room), *more;
	ssize_t got;
	int fd;

	cu_write_text(TRACING "tracing_on", "0");
	cu_write_text(TRACE_EVENTS "enable", "0");
	fd = open(TRACING "trace", O_RDONLY);
	while (text && (got = read(fd, text + len, room - len - 1)) > 0) {
		len += got;
		if (len < room - 1)
			continue;
		room *= 2;
		more = realloc(text, room);
		if (!more)
			free(text);
		text = more;
	}
	close(fd);
	if (text)
		text[len] = '\0';
	cu_write_text(TRACING "tracing_on", "1");
	return text;
}

/*
 * Takes one line apart: "COMM-PID  [CPU] FLAGS TIME: NAME: TEXT", where COMM can
 * hold anything. Returns false for a comment or another line.
 */
static inline bool trace_parse(const char *line, struct event *event)
{
	const char *cpu = strstr(line, " [");
	const char *pid = cpu;
	const char *name;

	if (*line == '#' || !cpu)
		return false;
	while (pid > line && *pid != '-')
		pid--;
	name = strstr(cpu, ": ");
	if (!name)
		return false;
	event->pid = atoi(pid + 1);
	return sscanf(name, ": %47[^:]:%255[^\n]", event->name,
		      event->text) == 2;
}

/* Goes on to the next event; *at is where the text is to be read from. */
static inline bool trace_next(const char **at, struct event *event)
{
	const char *line;

	while (**at) {
		line = *at;
		*at += strcspn(line, "\n");
		*at += **at == '\n';
		if (trace_parse(line, event))
			return true;
	}
	return false;
}

/* What stands behind " name=", or NULL. */
static inline const char *trace_word(const struct event *event,
				     const char *name)
{
	size_t len = strlen(name);
	const char *at = event->text;

	while ((at = strstr(at, name))) {
		if (at > event->text && at[-1] == ' ' && at[len] == '=')
			return at + len + 1;
		at += len;
	}
	return NULL;
}

/* A field's number, decimal or with 0x; -1 if there is none. */
static inline long trace_number(const struct event *event, const char *name)
{
	const char *word = trace_word(event, name);

	return word && isdigit(*word) ? strtol(word, NULL, 0) : -1;
}

static inline bool trace_is(const struct event *event, const char *name,
			    const char *value)
{
	const char *word = trace_word(event, name);
	size_t len = strlen(value);

	return word && !strncmp(word, value, len) &&
	       (!word[len] || word[len] == ' ');
}

#endif /* __COMPACT_TRACE_H */
