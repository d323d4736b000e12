/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: odmrd as a customer meets it, on each of its addresses.
 */
#include <netinet/in.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "lib/smtp/wire.h"
#include "lib/clock.h"
#include "doctor.h"
#include "lib/process.h"
#include "lib/reaching.h"

/* For the connection, and for all that is said on it: who answers there may be
 * anybody. */
enum { SECONDS = 5, ODMR_PORT = 366, LINES_MAX = 100 };

struct peer {
	struct wire wire;
	int64_t until;
	char line[1024];
};

/* A line without its end; false: none came in time, or a longer one. */
static bool
read_line(struct peer *peer)
{
	size_t len = 0;
	char c;

	while (len + 1 < sizeof(peer->line) &&
	    wire_read(&peer->wire, &c, 1, peer->until) == 1) {
		if (c == '\n') {
			peer->line[len] = '\0';
			peer->line[strcspn(peer->line, "\r")] = '\0';
			return true;
		}
		peer->line[len++] = c;
	}
	strcpy(peer->line, "");
	return false;
}

static bool
say(struct peer *peer, const char *line)
{
	return wire_write(&peer->wire, line, strlen(line), peer->until);
}

/* Which of the two does the answer to EHLO offer? */
static void
hear_offers(struct peer *peer, bool *atrn, bool *starttls)
{
	*atrn = *starttls = false;
	if (!say(peer, "EHLO localhost\r\n"))
		return;
	for (int i = 0; i < LINES_MAX && read_line(peer); i++) {
		if (strncmp(peer->line, "250", 3) != 0)
			return;
		*atrn |= strcmp(peer->line + 4, "ATRN") == 0;
		*starttls |= strcmp(peer->line + 4, "STARTTLS") == 0;
		if (peer->line[3] != '-')
			return;
	}
}

/* Nothing is verified here: that the files are right is checked elsewhere. */
static bool
start_tls(struct peer *peer)
{
	return wire_encrypt(&peer->wire, "localhost", false, peer->until);
}

static void
check_stale(struct doctor *doctor, const struct peer *peer, const char *text)
{
	const char *path = doctor->conf->tls_cert_file;
	FILE *file = fopen(path, "re");
	X509 *shown = SSL_get1_peer_certificate(peer->wire.ssl), *ours = NULL;

	if (file != NULL) {
		ours = PEM_read_X509(file, NULL, NULL, NULL);
		fclose(file);
	}
	if (shown != NULL && ours != NULL && X509_cmp(shown, ours) != 0)
		doctor_find(doctor, CERTIFICATE_STALE, path,
		    "systemctl reload odmrd",
		    "on %s odmrd shows another certificate", text);
	X509_free(shown);
	X509_free(ours);
	ERR_clear_error();
}

static void
complain_down(struct doctor *doctor, const char *text, const char *why)
{
	doctor_find(
	    doctor, ODMRD_DOWN, text, "systemctl restart odmrd", "%s", why);
}

/* What the peer does from its greeting on. */
static void
converse(struct doctor *doctor, struct peer *peer, const char *text)
{
	bool atrn, starttls;

	if (!read_line(peer)) {
		complain_down(doctor, text, "connects, but does not greet");
		return;
	}
	if (strncmp(peer->line, "421", 3) == 0) {
		complain_down(doctor, text,
		    doctor_text(doctor, "answers: %s", peer->line));
		return;
	}
	hear_offers(peer, &atrn, &starttls);
	if (!atrn) {
		doctor_find(doctor, PORT_TAKEN, text,
		    doctor_text(doctor, "ss -ltnp # who listens on %s?", text),
		    "who answers there does not offer ATRN");
		return;
	}
	if (peer->wire.ssl == NULL && starttls && say(peer, "STARTTLS\r\n") &&
	    read_line(peer) && strncmp(peer->line, "220", 3) == 0 &&
	    !start_tls(peer))
		return;
	if (peer->wire.ssl != NULL)
		check_stale(doctor, peer, text);
	say(peer, "QUIT\r\n");
}

/* "*" listens on the loopback too. */
static void
to_loopback(struct address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->addr;

	if (address->addr.ss_family == AF_INET &&
	    in->sin_addr.s_addr == htonl(INADDR_ANY))
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (address->addr.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		in6->sin6_addr = in6addr_loopback;
}

static void
check_address(struct doctor *doctor, struct address *address, bool tls)
{
	const char *text = doctor_text(doctor, "%s", address->text);
	char error[REACHING_ERROR_SIZE];
	struct peer peer = { .line = "" };

	to_loopback(address);
	peer.wire.fd = reaching_address(address, SECONDS, error);
	if (peer.wire.fd < 0) {
		/* Without IPv6 odmrd listens on what there is. */
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			complain_down(doctor, text, error);
		return;
	}
	fcntl(peer.wire.fd, F_SETFL, O_NONBLOCK);
	peer.until = clock_ms() + (int64_t)SECONDS * 1000;
	if (tls && !start_tls(&peer))
		doctor_find(doctor, PORT_TAKEN, text,
		    doctor_text(doctor, "ss -ltnp # who listens on %s?", text),
		    "who answers there does not begin with TLS");
	else
		converse(doctor, &peer, text);
	wire_close(&peer.wire);
}

static bool
is_odmr_port(const struct address *address)
{
	const struct sockaddr_in *in = (const void *)&address->addr;

	/* In the same place in both families. */
	return ntohs(in->sin_port) == ODMR_PORT;
}

static bool
check_list(struct doctor *doctor, const char *name, const char *list, bool tls)
{
	char error[REACHING_ERROR_SIZE];
	struct address address;
	bool standard = false;
	int found;

	while (
	    (found = address_next(&list, &address, error, sizeof(error))) > 0) {
		standard = standard || is_odmr_port(&address);
		check_address(doctor, &address, tls);
	}
	if (found < 0)
		doctor_find(doctor, LISTEN_BAD, doctor->ctx->conf_path,
		    doctor_text(doctor, "$EDITOR %s # %s",
			doctor->ctx->conf_path, name),
		    "%s: %s", name, error);
	return standard;
}

/* Of an odmrd that runs. */
static void
check_control(struct doctor *doctor)
{
	const char *path = doctor->conf->control_socket;
	char error[REACHING_ERROR_SIZE];
	int fd = reaching_socket(
	    doctor_text(doctor, "unix:%s", path), SECONDS, error);

	if (fd == REACHING_FORBIDDEN)
		doctor_unseen(doctor, path);
	else if (fd >= 0)
		close(fd);
	else if (process_of_file_runs(doctor->conf->pid_file, "odmrd"))
		doctor_find(doctor, CONTROL_SILENT, path,
		    "systemctl restart odmrd", "%s", error);
}

void
check_daemon(struct doctor *doctor)
{
	const struct conf *conf = doctor->conf;
	bool standard = check_list(doctor, "listen", conf->listen, false);
	const struct servent *named = getservbyname("odmr", "tcp");

	check_list(doctor, "listen_tls", conf->listen_tls, true);
	check_control(doctor);
	if (standard &&
	    (named == NULL || ntohs((in_port_t)named->s_port) != ODMR_PORT))
		doctor_find(doctor, PORT_NAME, "/etc/services",
		    "printf 'odmr\\t\\t366/tcp\\n' >> /etc/services",
		    "has no line \"odmr 366/tcp\"");
}
