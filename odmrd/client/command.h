/* SPDX-License-Identifier: ISC */
/*
 * The commands of port 366 before the turn. The table in command.c is the
 * dispatch: verb, handler, the states where it is allowed.
 */
#ifndef COMMAND_H
#define COMMAND_H

struct client;

/* `line` may be changed. */
void command_line(struct client *client, char *line);

/* "ATRN [domain *("," domain)]" (atrn.c) */
void atrn_command(struct client *client, char *args);

#endif
