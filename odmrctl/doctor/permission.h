/* SPDX-License-Identifier: ISC */
/*
 * What another user may do with a file. The kernel is asked, by a process that
 * becomes this user, so that directories on the way and ACLs count too.
 */
#ifndef PERMISSION_H
#define PERMISSION_H

enum permission {
	PERMITTED,
	FORBIDDEN,
	UNTOLD, /* only root can find out; or there is no such user or file */
};

/* `mode` as for access(2). `group` is one more that the user has, or NULL. */
enum permission permission_of(
    const char *user, const char *group, const char *path, int mode);

#endif
