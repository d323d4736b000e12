/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: how Postfix calls the milter, and whether it answers.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/connect.h"
#include "lib/endpoint.h"
#include "milters.h"

enum { TIMEOUT_MOST = 60, ANSWER_SECONDS = 5 };

/* Where the service has a list of its own, what is wrong is in master.cf. */
static void
tell(struct doctor *doctor, enum finding finding, const struct service *smtpd,
    const char *what)
{
	bool own =
	    postfix_override(doctor->postfix, smtpd, "smtpd_milters") != NULL;

	doctor_find(doctor, finding, own ? doctor->master_cf : doctor->main_cf,
	    milters_cure(doctor, smtpd, "smtpd_milters"), "%s%s%s%s",
	    own ? "service " : "", own ? smtpd->name : "", own ? ": " : "",
	    what);
}

static void
check_action(struct doctor *doctor, const struct service *smtpd,
    const struct mention *mention)
{
	const char *action = milters_option(
	    doctor, mention, "default_action", "milter_default_action");

	if (strcmp(action, "accept") != 0)
		tell(doctor, MILTER_ACTION, smtpd,
		    doctor_text(doctor,
			"smtpd_milters: default_action of %s is %s",
			mention->address, action));
}

static void
check_timeouts(struct doctor *doctor, const struct service *smtpd,
    const struct mention *mention)
{
	static const char *const names[] = { "connect_timeout",
		"command_timeout", "content_timeout" };
	const char *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = milters_option(doctor, mention, names[i],
		    doctor_text(doctor, "milter_%s", names[i]));
		if (postfix_seconds(value, 's') > TIMEOUT_MOST)
			tell(doctor, MILTER_TIMEOUT, smtpd,
			    doctor_text(doctor, "smtpd_milters: %s of %s is %s",
				names[i], mention->address, value));
	}
}

/* The id that the milter was told last before the message ends counts. */
static void
check_macros(struct doctor *doctor)
{
	static const char *const names[] = { "milter_rcpt_macros",
		"milter_data_macros", "milter_end_of_data_macros" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (postfix_lists(
			postfix_setting(doctor->postfix, names[i]), "i"))
			return;
	doctor_find(doctor, MILTER_MACROS, doctor->main_cf,
	    doctor_cure(doctor, "milter_end_of_data_macros", "i"),
	    "milter_end_of_data_macros = %s",
	    postfix_setting(doctor->postfix, "milter_end_of_data_macros"));
}

/* In a jail only what is relative to queue_directory is found. */
static void
check_chroot(struct doctor *doctor, const struct service *smtpd,
    const struct mention *mention)
{
	if (smtpd->chroot && strncmp(mention->address, "unix:/", 6) == 0)
		doctor_find(doctor, MILTER_CHROOT, doctor->main_cf,
		    milters_cure(doctor, smtpd, "smtpd_milters"),
		    "service %s is chrooted, the milter is at %s", smtpd->name,
		    mention->address);
}

/* The first smtpd without our milter; NULL: one at least has it. Others may be
 * without: a service for mail that has been through the milter. */
static const struct service *
check_smtpds(struct doctor *doctor)
{
	const struct service *without = NULL;
	struct mention mention;
	bool any = false;

	for (const struct service *one = doctor->postfix->services; one != NULL;
	     one = one->next) {
		if (strcmp(one->command, "smtpd") != 0)
			continue;
		if (!milters_find_ours(doctor,
			postfix_setting_of(
			    doctor->postfix, one, "smtpd_milters"),
			&mention)) {
			without = one;
			continue;
		}
		check_action(doctor, one, &mention);
		check_timeouts(doctor, one, &mention);
		check_chroot(doctor, one, &mention);
		any = true;
	}
	return any ? NULL : without;
}

/* Where there is no list at all, both are to be the same one. */
static void
check_local(struct doctor *doctor)
{
	static const char name[] = "non_smtpd_milters";
	const char *value = postfix_setting(doctor->postfix, name);
	struct mention mention;

	if (!milters_find_ours(doctor, value, &mention))
		doctor_find(doctor, MILTER_LOCAL, doctor->main_cf,
		    value[0] == '\0'
			? doctor_cure(doctor, name, "$smtpd_milters")
			: milters_cure(doctor, NULL, name),
		    "%s has no %s: \"%s\"", name, doctor->conf->milter_socket,
		    value);
}

void
check_milter_settings(struct doctor *doctor)
{
	const struct service *without;

	if (doctor->postfix == NULL)
		return;
	without = check_smtpds(doctor);
	if (without != NULL)
		tell(doctor, MILTER_MISSING, without,
		    doctor_text(doctor, "smtpd_milters has no %s: \"%s\"",
			doctor->conf->milter_socket,
			postfix_setting_of(
			    doctor->postfix, without, "smtpd_milters")));
	else
		check_local(doctor);
	check_macros(doctor);
}

/* ---- its socket ---------------------------------------------------------- */

static bool
is_loopback(const struct sockaddr *addr)
{
	const struct sockaddr_in *in = (const void *)addr;
	const struct sockaddr_in6 *in6 = (const void *)addr;

	if (addr->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> IN_CLASSA_NSHIFT ==
		    IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Without a host libmilter listens at every address. A name that has none is
 * no finding here: the milter is not there then. */
static bool
is_open(const struct endpoint *socket)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	bool open = false;

	if (socket->host[0] == '\0')
		return true;
	if (getaddrinfo(socket->host, NULL, &hints, &found) != 0)
		return false;
	for (struct addrinfo *one = found; one != NULL; one = one->ai_next)
		open = open || !is_loopback(one->ai_addr);
	freeaddrinfo(found);
	return open;
}

static void
check_socket(struct doctor *doctor)
{
	const char *address = doctor->conf->milter_socket;
	struct endpoint socket;

	if (endpoint_socket(&socket, address) == NULL && is_open(&socket))
		doctor_find(doctor, MILTER_OPEN, doctor->ctx->conf_path,
		    doctor_edit(doctor, NULL, "milter_socket"),
		    "milter_socket: %s", address);
}

/* What Postfix may not, root may: the milter answers doctor all the same. A
 * directory that Postfix may not search is what check_sockets tells. */
static void
check_rights(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;
	struct endpoint socket;
	const char *path = endpoint_socket(&socket, conf->milter_socket);
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	struct stat st;

	if (slash == NULL || stat(path, &st) == -1 ||
	    access_as_denied(conf->postfix_user, NULL,
		doctor_text(doctor, "%.*s", (int)(slash - path) + 1, path),
		X_OK) ||
	    !access_as_denied(conf->postfix_user, NULL, path, W_OK))
		return;
	doctor_find(doctor, MILTER_FORBIDDEN, path,
	    doctor_text(doctor, "chgrp %s %s && chmod g+rw %s",
		conf->postfix_user, path, path),
	    "belongs to group %u, mode %04o: user %s may not connect",
	    (unsigned)st.st_gid, (unsigned)st.st_mode & 07777,
	    conf->postfix_user);
}

/* ---- the running milter -------------------------------------------------- */

/* Option negotiation, which is how each connection of Postfix begins: version
 * 6, all actions and protocol steps are on offer. */
static const char *
negotiate(int fd)
{
	static const unsigned char offer[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0,
		0, 1, 0xff, 0, 0x1f, 0xff, 0xff };
	static const unsigned char quit[] = { 0, 0, 0, 1, 'Q' };
	unsigned char answer[5];

	if (write(fd, offer, sizeof(offer)) != sizeof(offer) ||
	    recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return "does not answer";
	if (answer[4] != 'O')
		return "does not speak as a milter";
	return write(fd, quit, sizeof(quit)) == sizeof(quit) ? NULL
							     : "hangs up";
}

void
check_milter_answer(struct doctor *doctor)
{
	const char *address = doctor->conf->milter_socket, *fault;
	char error[CONNECT_ERROR_SIZE];
	int fd;

	check_socket(doctor);
	check_rights(doctor);
	fd = connect_socket(address, ANSWER_SECONDS, error);
	if (fd == CONNECT_FORBIDDEN) {
		doctor_unseen(doctor, address);
		return;
	}
	fault = fd == -1 ? error : negotiate(fd);
	if (fd != -1)
		close(fd);
	if (fault != NULL)
		doctor_find(doctor, MILTER_DOWN, address,
		    "systemctl restart odmr-milter", "%s", fault);
}
