/* SPDX-License-Identifier: ISC */
/*
 * Links share a loop: one that has always something to do does not keep a timer
 * from its time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "odmrd/net/link.h"

enum { TURN_MS = 200, HANG_SECONDS = 30, TAKE_US = 2000 };

/* Of a record: no part of what an intake holds, which so always ends within
 * one. */
enum { BLOCK = 10007 };

struct line {
	struct loop *loop;
	struct link *link;
	struct timer *timer;
	int fd; /* the other end */
	size_t moved;
	int takes;
};

static void
stop(void *arg)
{
	loop_stop(((struct line *)arg)->loop);
}

static void
begin(struct line *line, int fd, const struct link_role *role)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	line->loop = loop_new();
	line->link = link_new(line->loop, fd, role, line);
	line->timer = timer_new(line->loop, stop, line);
	timer_set(line->timer, TURN_MS);
}

/* The timer's call ends it; if it does not come, SIGALRM ends the test. */
static void
run(struct line *line)
{
	alarm(HANG_SECONDS);
	assert_int_equal(loop_run(line->loop), 0);
	alarm(0);
	assert_true(line->moved > 0);
	link_abort(&line->link);
	timer_free(&line->timer);
	loop_free(&line->loop);
}

static void
take_all(void *owner)
{
	struct line *line = owner;
	const char *bytes;
	size_t n = link_peek(line->link, &bytes);

	usleep(TAKE_US); /* slower than the other end */
	link_consume(line->link, n);
	line->moved += n;
	line->takes++;
}

/* ---- writing ----------------------------------------------------------- */

/* A socket that always takes more: to itself, by UDP, where it gets lost. */
static int
open_abyss(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void
write_more(void *owner)
{
	struct line *line = owner;

	link_write(line->link, "x", 1);
	line->moved++;
}

static void
link_that_always_writes_leaves_others_their_turn(void **state)
{
	static const struct link_role role = { .input = take_all,
		.drained = write_more };
	struct line line = { .moved = 0 };

	(void)state;
	begin(&line, open_abyss(), &role);
	write_more(&line);
	run(&line);
}

/* ---- reading TLS ------------------------------------------------------- */

static SSL_CTX *
server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static void *
encrypt_on(void *arg)
{
	static const char bytes[BLOCK];
	const struct line *line = arg;
	SSL_CTX *ctx = server_context();
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, line->fd);
	if (SSL_accept(ssl) == 1)
		while (SSL_write(ssl, bytes, sizeof(bytes)) > 0)
			continue;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return NULL;
}

static void
secured(void *owner)
{
	(void)owner;
}

static void
link_that_always_reads_tls_leaves_others_their_turn(void **state)
{
	static const struct link_role role = { .input = take_all,
		.secured = secured };
	struct line line = { .moved = 0 };
	struct tls *tls = tls_new_client();
	pthread_t other;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	line.fd = ends[1];
	begin(&line, ends[0], &role);
	assert_int_equal(pthread_create(&other, NULL, encrypt_on, &line), 0);
	assert_true(link_start_tls(line.link, tls, TLS_CLIENT));
	run(&line);
	/* The timer came in time, however slow the machine is. */
	assert_true(line.takes <= TURN_MS * 1000 / TAKE_US + 10);
	pthread_join(other, NULL);
	close(line.fd);
	tls_free(&tls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    link_that_always_writes_leaves_others_their_turn),
		cmocka_unit_test(
		    link_that_always_reads_tls_leaves_others_their_turn),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
