/* SPDX-License-Identifier: ISC */
/*
 * The login that the server shall know us by, and its password.
 */
#ifndef LOGIN_H
#define LOGIN_H

enum { PASSWORD_SIZE = 1024 };

struct login {
	const char *name; /* NULL: none */
	char password[PASSWORD_SIZE];
};

/* Reads the password: the first line of the file, which others must not be
 * able to read. Returns a sysexits code, and has said why. */
int login_read(struct login *login, const char *name, const char *file);
/* No trace of the password stays. */
void login_clear(struct login *login);

#endif
