/* SPDX-License-Identifier: ISC */
/*
 * A new password from standard input: one line, whose newline may be missing.
 * A terminal is asked without echo.
 */
#include <errno.h>
#include <readpassphrase.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "odmrctl.h"

/* Room for one octet too many and a newline. */
enum { INPUT_SIZE = PASSWORD_MAX + 3 };

static bool
read_terminal(char *input, size_t *len)
{
	if (readpassphrase("Password: ", input, INPUT_SIZE, RPP_ECHO_OFF) ==
	    NULL)
		return false;
	*len = strlen(input);
	return true;
}

static bool
read_input(char *input, size_t *len)
{
	ssize_t n;

	*len = 0;
	if (isatty(STDIN_FILENO))
		return read_terminal(input, len);
	do {
		n = read(STDIN_FILENO, input + *len, INPUT_SIZE - *len);
		if (n > 0)
			*len += (size_t)n;
	} while (*len < INPUT_SIZE && (n > 0 || (n == -1 && errno == EINTR)));
	return n != -1;
}

static const char *
password_fault(const char *input, size_t len)
{
	if (memchr(input, '\n', len) != NULL)
		return "is more than one line";
	if (memchr(input, '\0', len) != NULL)
		return "has a NUL octet";
	if (len == 0)
		return "is empty";
	return len > PASSWORD_MAX ? "is longer than 255 octets" : NULL;
}

int
password_read(char out[PASSWORD_SIZE])
{
	const char *fault = "cannot be read";
	char input[INPUT_SIZE];
	size_t len;

	if (read_input(input, &len)) {
		if (len > 0 && input[len - 1] == '\n')
			len--;
		fault = password_fault(input, len);
	}
	if (fault == NULL) {
		memcpy(out, input, len);
		out[len] = '\0';
	}
	explicit_bzero(input, sizeof(input));
	if (fault != NULL)
		return complain(
		    EX_DATAERR, "the password on standard input %s", fault);
	return EX_OK;
}
