/* SPDX-License-Identifier: ISC */
/*
 * The settings of odmr.conf: one table with each name, its kind, its default
 * and its bounds. conf.c reads the file; this knows what a value may be.
 */
#ifndef SETTING_H
#define SETTING_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

enum setting_kind {
	SETTING_TEXT,   /* char *, owned by the struct conf */
	SETTING_TIME,   /* long, seconds */
	SETTING_SIZE,   /* long, bytes */
	SETTING_NUMBER, /* long */
	SETTING_WORD,   /* long: the word's place among `words` */
};

enum { SETTING_COUNT_MAX = 64, SETTING_FAULT_SIZE = 128 };

/* The daemons that take a setting up only when they start. */
enum setting_fixed { FIXED_IN_ODMRD = 1 << 0, FIXED_IN_MILTER = 1 << 1 };

struct setting {
	const char *name;
	size_t offset;  /* in struct conf */
	unsigned fixed; /* enum setting_fixed */
	enum setting_kind kind;
	const char *value; /* the default */
	const char *words; /* "no|yes" */
	long least;
};

/* NULL behind the last one. */
const struct setting *setting_at(size_t i);
/* NULL: no such setting. */
const struct setting *setting_find(const char *name, size_t *at);

/* False if the value will not do, and `fault` says why. */
bool setting_assign(const struct setting *setting, struct conf *conf,
    const char *value, char fault[SETTING_FAULT_SIZE]);
/* After a reload: names in the log what has changed and takes a restart. */
void setting_tell_fixed(enum setting_fixed where, const char *path,
    const struct conf *old, const struct conf *new);
/* Releases what setting_assign allocated. */
void setting_clear(const struct setting *setting, struct conf *conf);

#endif
