/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: odmrd as a customer meets it, on each of its addresses.
 */
#include <netinet/in.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/clock.h"
#include "lib/connect.h"
#include "lib/process.h"
#include "lib/smtp/client.h"

/* For the connection, and for all that is said on it: who answers there may be
 * anybody. */
enum { SECONDS = 5, ODMR_PORT = 366 };

static void
check_stale(struct doctor *doctor, const struct wire *wire, const char *text)
{
	const char *path = doctor->conf->tls_cert_file;
	FILE *file = fopen(path, "re");
	X509 *shown = SSL_get1_peer_certificate(wire->ssl), *ours = NULL;

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

static void
complain_taken(struct doctor *doctor, const char *text, const char *what)
{
	doctor_find(doctor, PORT_TAKEN, text,
	    doctor_text(doctor, "ss -ltnp # who listens on %s?", text),
	    "who answers there does not %s", what);
}

/* What the server does from its greeting on. Nothing is verified here: that the
 * files are right is checked elsewhere. */
static void
converse(struct doctor *doctor, struct smtp_client *server, const char *text)
{
	bool greeted = smtp_greeting(server);

	if (server->rest == NULL)
		complain_down(doctor, text, "connects, but does not greet");
	else if (server->reply.code == 421)
		complain_down(doctor, text,
		    doctor_text(doctor, "answers: 421 %s", server->reply.text));
	else if (!greeted || !smtp_ehlo(server) || !server->offers.atrn)
		complain_taken(doctor, text, "offer ATRN");
	else if (smtp_starttls(server, false) && server->wire.ssl != NULL)
		check_stale(doctor, &server->wire, text);
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
	struct smtp_client server = {
		.host = "localhost",
		.hostname = "localhost",
		.until = clock_ms() + (int64_t)SECONDS * 1000,
	};

	to_loopback(address);
	if (!smtp_open_address(&server, address, SECONDS)) {
		/* Without IPv6 odmrd listens on what there is. */
		if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
			complain_down(doctor, text, server.why);
	} else if (tls && !smtp_tls(&server, false))
		complain_taken(doctor, text, "begin with TLS");
	else
		converse(doctor, &server, text);
	smtp_close(&server);
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
	char error[CONNECT_ERROR_SIZE];
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
		    doctor_edit(doctor, NULL, "%s", name), "%s: %s", name,
		    error);
	return standard;
}

/* Of an odmrd that runs. */
static void
check_control(struct doctor *doctor)
{
	const char *path = doctor->conf->control_socket;
	char error[CONNECT_ERROR_SIZE];
	int fd = connect_socket(
	    doctor_text(doctor, "unix:%s", path), SECONDS, error);

	if (fd == CONNECT_FORBIDDEN)
		doctor_unseen(doctor, path);
	else if (fd >= 0)
		close(fd);
	else if (process_of_file(doctor->conf->pid_file, "odmrd"))
		doctor_find(doctor, CONTROL_SILENT, path,
		    "systemctl restart odmrd", "%s", error);
}

/* Postfix has a copy, and warns where the two differ. */
static const char *
name_port(struct doctor *doctor)
{
	static const char line[] =
	    "printf 'odmr\\t\\t366/tcp\\n' >> /etc/services";
	const char *copy = doctor->postfix == NULL
	    ? ""
	    : doctor_text(doctor, "%s/etc/services",
		  postfix_setting(doctor->postfix, "queue_directory"));

	return access(copy, F_OK) == -1
	    ? line
	    : doctor_text(doctor, "%s && cp /etc/services %s", line, copy);
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
		    name_port(doctor), "has no line \"odmr 366/tcp\"");
}
