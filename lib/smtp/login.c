/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/log.h"
#include "login.h"

/* Not by stdio, whose buffer would keep the password. Returns how many bytes
 * there are, as far as they fit; -1: errno tells. */
static ssize_t
read_start(int fd, char *bytes, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, bytes + len, size - len);
		if (n == -1 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Cuts the password out of the file's first bytes; what is wrong with it, or
 * NULL. */
static const char *
take_line(char *password, size_t len)
{
	char *end = memchr(password, '\n', len);

	if (end == NULL && len == PASSWORD_SIZE)
		return "the first line is too long";
	if (end == NULL)
		end = password + len;
	if (end > password && end[-1] == '\r')
		end--;
	/* The second line, if there is one, may be a secret too. */
	explicit_bzero(end, (size_t)(password + PASSWORD_SIZE - end));
	if (strlen(password) != (size_t)(end - password))
		return "has a NUL byte";
	return end == password ? "the first line is empty" : NULL;
}

static int
read_password(struct login *login, const char *file, int fd)
{
	struct stat st;
	const char *why;
	ssize_t len;

	if (fstat(fd, &st) == -1) {
		log_error(NULL, "%s: %s", file, strerror(errno));
		return EX_NOINPUT;
	}
	if ((st.st_mode & S_IRWXO) != 0) {
		log_error(NULL, "%s: mode %04o: others may read the password",
		    file, st.st_mode & 07777);
		return EX_NOINPUT;
	}
	len = read_start(fd, login->password, sizeof(login->password));
	if (len == -1) {
		log_error(NULL, "%s: %s", file, strerror(errno));
		return EX_NOINPUT;
	}
	why = take_line(login->password, (size_t)len);
	if (why == NULL)
		return EX_OK;
	log_error(NULL, "%s: %s", file, why);
	return EX_NOINPUT;
}

int
login_read(struct login *login, const char *name, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), code;

	if (fd == -1) {
		log_error(NULL, "%s: %s", file, strerror(errno));
		return EX_NOINPUT;
	}
	login->name = name;
	code = read_password(login, file, fd);
	close(fd);
	if (code != EX_OK)
		login_clear(login);
	return code;
}

void
login_clear(struct login *login)
{
	explicit_bzero(login, sizeof(*login));
}
