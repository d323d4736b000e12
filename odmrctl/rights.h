/* SPDX-License-Identifier: ISC */
/*
 * What root gives up. The databases lie in a directory of conf->user, who may
 * plant there what it likes: odmrctl opens them as this user. Without root, all
 * of this does nothing.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

#include "lib/conf.h"

/* Becomes conf->user for good, with the group that postqueue needs. EX_OK, or
 * complains. */
int rights_drop(const struct conf *);
/* The same with the group that a mail log in the journal needs. */
int rights_drop_but_log(const struct conf *);

/* The same until rights_take_up, for a command that has to be root again. Then
 * it does not touch the store. */
int rights_lay_off(const struct conf *);
void rights_take_up(void);
/* After that the program goes on laid off, or ends. */
void rights_lay_off_again(const struct conf *);

#endif
