/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: how Postfix calls the milter, and whether it answers.
 */
#include <sys/socket.h>

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/connect.h"
#include "lib/endpoint.h"

enum { TIMEOUT_MOST = 60, ANSWER_SECONDS = 5 };

#define SHIPPED                                                                \
	"{ unix:odmr/milter, default_action=accept, "                          \
	"connect_timeout=5s, command_timeout=10s, "                            \
	"content_timeout=10s }"

/* One of smtpd_milters: "unix:path" or "{ unix:path, name=value, ... }". */
struct mention {
	const char *address;
	const char *options; /* "" outside of braces */
};

/* A setting of this milter, or the general one. */
static const char *
option(struct doctor *doctor, const struct mention *mention, const char *name,
    const char *general)
{
	const char *list = mention->options, *word;
	size_t len, name_len = strlen(name);

	while ((len = postfix_word(&list, &word)) > 0)
		if (len > name_len && word[name_len] == '=' &&
		    memcmp(word, name, name_len) == 0)
			return doctor_text(doctor, "%.*s",
			    (int)(len - name_len - 1), word + name_len + 1);
	return postfix_setting(doctor->postfix, general);
}

static struct mention
read_mention(struct doctor *doctor, const char *word, size_t len)
{
	const char *rest, *address;
	size_t n;

	if (word[0] != '{')
		return (struct mention) {
			doctor_text(doctor, "%.*s", (int)len, word), ""
		};
	rest = doctor_text(doctor, "%.*s", (int)len - 2, word + 1);
	n = postfix_word(&rest, &address);
	return (struct mention) { doctor_text(doctor, "%.*s", (int)n, address),
		rest };
}

/* Both name a socket, in their own ways. */
static bool
is_ours(struct doctor *doctor, const char *address)
{
	const char *queue = postfix_setting(doctor->postfix, "queue_directory");
	struct endpoint socket;
	const char *ours =
	    endpoint_socket(&socket, doctor->conf->milter_socket);

	if (strncmp(address, "inet:", 5) == 0)
		return ours == NULL &&
		    strcmp(strrchr(address, ':') + 1, socket.port) == 0;
	if (strncmp(address, "unix:", 5) != 0 || ours == NULL)
		return false;
	address += strlen("unix:");
	if (address[0] != '/')
		address = doctor_text(doctor, "%s/%s", queue, address);
	return strcmp(address, ours) == 0;
}

static bool
find_ours(struct doctor *doctor, const char *list, struct mention *found)
{
	const char *word;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		*found = read_mention(doctor, word, len);
		if (is_ours(doctor, found->address))
			return true;
	}
	return false;
}

static void
check_action(struct doctor *doctor, const struct mention *mention)
{
	const char *action =
	    option(doctor, mention, "default_action", "milter_default_action");

	if (strcmp(action, "accept") != 0)
		doctor_find(doctor, MILTER_ACTION, doctor->main_cf,
		    doctor_cure(doctor, "smtpd_milters", SHIPPED),
		    "smtpd_milters: default_action of %s is %s",
		    mention->address, action);
}

static void
check_timeouts(struct doctor *doctor, const struct mention *mention)
{
	static const char *const names[] = { "connect_timeout",
		"command_timeout", "content_timeout" };
	const char *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = option(doctor, mention, names[i],
		    doctor_text(doctor, "milter_%s", names[i]));
		if (postfix_seconds(value, 's') > TIMEOUT_MOST)
			doctor_find(doctor, MILTER_TIMEOUT, doctor->main_cf,
			    doctor_cure(doctor, "smtpd_milters", SHIPPED),
			    "smtpd_milters: %s of %s is %s", names[i],
			    mention->address, value);
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
		    doctor_cure(doctor, "smtpd_milters", SHIPPED),
		    "service %s is chrooted, the milter is at %s", smtpd->name,
		    mention->address);
}

/* A service for mail that has been through the milter may be without. */
static bool
check_smtpds(struct doctor *doctor)
{
	struct mention mention;
	bool any = false;

	for (const struct service *one = doctor->postfix->services; one != NULL;
	     one = one->next) {
		if (strcmp(one->command, "smtpd") != 0 ||
		    !find_ours(doctor,
			postfix_setting_of(
			    doctor->postfix, one, "smtpd_milters"),
			&mention))
			continue;
		if (!any) {
			check_action(doctor, &mention);
			check_timeouts(doctor, &mention);
		}
		check_chroot(doctor, one, &mention);
		any = true;
	}
	return any;
}

void
check_milter_settings(struct doctor *doctor)
{
	struct mention mention;
	const char *local;

	if (doctor->postfix == NULL)
		return;
	local = postfix_setting(doctor->postfix, "non_smtpd_milters");
	if (!check_smtpds(doctor))
		doctor_find(doctor, MILTER_MISSING, doctor->main_cf,
		    doctor_cure(doctor, "smtpd_milters", SHIPPED),
		    "smtpd_milters has no %s: \"%s\"",
		    doctor->conf->milter_socket,
		    postfix_setting(doctor->postfix, "smtpd_milters"));
	else if (!find_ours(doctor, local, &mention))
		doctor_find(doctor, MILTER_LOCAL, doctor->main_cf,
		    doctor_cure(doctor, "non_smtpd_milters", "$smtpd_milters"),
		    "non_smtpd_milters has no %s: \"%s\"",
		    doctor->conf->milter_socket, local);
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
