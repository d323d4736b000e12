/* SPDX-License-Identifier: ISC */
/*
 * odmrd(8): on-demand mail relay, RFC 2645, in front of a Postfix queue.
 *
 * Starting: what only root may do (ports, keys, the pid file) is done first,
 * then odmrd becomes its own user; from then on a bad peer costs one session
 * and nothing else. Every fault of the set-up shows before the loop begins.
 */
#include <sys/file.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/address.h"
#include "odmrd/jobs/reconciler.h"
#include "odmrd/jobs/queue_count.h"
#include "control.h"
#include "odmrd/client/credentials.h"
#include "odmrd/delivery/customer.h"
#include "odmrd/delivery/dial.h"
#include "odmrd/net/descriptors.h"
#include "odmrd/jobs/flusher.h"
#include "odmrd/net/listener.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/options.h"
#include "odmrd/client/peers.h"
#include "lib/pidfile.h"
#include "odmrd/delivery/memory_queue.h"
#include "odmrd/delivery/registry.h"
#include "reload.h"
#include "start.h"
#include "odmrd/jobs/server.h"
#include "odmrd/client/client.h"
#include "odmrd/jobs/settle.h"
#include "odmrd/delivery/share.h"
#include "odmrd/client/standing.h"
#include "lib/streams.h"
#include "odmrd/net/tls.h"

enum { ERROR_SIZE = 512, WORKERS = 2, LISTENERS_MAX = 32 };

struct front {
	struct server *server;
	bool implicit_tls;
	struct listener *listener;
};

static struct front fronts[LISTENERS_MAX];
static size_t front_count;

/* ---- listening --------------------------------------------------------- */

static void
on_client(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct front *front = arg;

	client_accept(front->server, fd, peer, len, front->implicit_tls);
}

static void
listen_at(struct server *server, const struct address *address, bool tls)
{
	struct front *front = &fronts[front_count];

	if (front_count == LISTENERS_MAX)
		fatal(
		    EX_CONFIG, "listen: more than %d addresses", LISTENERS_MAX);
	*front = (struct front) { server, tls, NULL };
	front->listener =
	    listener_tcp(server->loop, (const struct sockaddr *)&address->addr,
		address->len, on_client, front);
	if (front->listener != NULL)
		front_count++;
	else if (errno == EAFNOSUPPORT)
		log_warning(
		    NULL, "listen: %s: %s", address->text, strerror(errno));
	else
		fatal(EX_UNAVAILABLE, "listen: %s: %s", address->text,
		    strerror(errno));
}

static void
listen_all(struct server *server, const char *name, const char *list, bool tls)
{
	char error[ERROR_SIZE];
	struct address address;
	int found;

	while (
	    (found = address_next(&list, &address, error, sizeof(error))) > 0)
		listen_at(server, &address, tls);
	if (found < 0)
		fatal(EX_CONFIG, "%s: %s", name, error);
}

static void
stop_listening(void)
{
	while (front_count > 0)
		listener_free(&fronts[--front_count].listener);
}

/* ---- the end ----------------------------------------------------------- */

static void
bury_control(void *arg)
{
	struct server *server = arg;

	control_free(&server->control);
}

/* Whoever is on the control socket may have ended the last one. */
static void
one_less(struct server *server)
{
	if (!server->stopping || !TAILQ_EMPTY(&server->clients) ||
	    !TAILQ_EMPTY(&server->customers))
		return;
	loop_bury(server->loop, &server->grave, bury_control, server);
	loop_finish(server->loop);
}

static void
on_stop_timeout(void *arg)
{
	struct server *server = arg;
	struct customer *c;

	log_warning(NULL, "stop_timeout: the rest goes back to Postfix");
	while ((c = TAILQ_FIRST(&server->customers)) != NULL)
		customer_lost(c, "stop-timeout");
	loop_stop(server->loop);
}

/* No new sessions; what is in flight may finish, within stop_timeout. */
static void
on_terminate(void *arg)
{
	struct server *server = arg;
	struct customer *c, *next;
	struct client *cl;

	if (server->stopping)
		return;
	log_info(NULL, "stopping");
	notify_stopping();
	server->stopping = true;
	stop_listening();
	dials_stop(server->dials);
	while ((cl = TAILQ_FIRST(&server->clients)) != NULL)
		client_stop(cl);
	TAILQ_FOREACH_SAFE(c, &server->customers, entry, next)
		customer_stop(c, "stopping");
	timer_set(server->stop_timer, server->conf->stop_timeout * 1000);
	one_less(server);
}

static void
on_hangup(void *arg)
{
	reload(arg);
}

/* ---- the watchdog ------------------------------------------------------ */

/* A loop that hangs says nothing more. */
static void
beat(void *arg)
{
	const struct server *server = arg;
	int64_t ms = notify_watchdog_ms();

	if (ms == 0)
		return;
	notify_alive();
	timer_set(server->pulse, ms);
}

/* ---- the start --------------------------------------------------------- */

/* The lock keeps a second odmrd from sweeping away the first one's. */
static void
lock_sockets(const struct conf *conf, int dir)
{
	if (flock(dir, LOCK_EX | LOCK_NB) == -1)
		fatal(EX_TEMPFAIL,
		    "socket_directory: %s: another odmrd is running",
		    conf->socket_directory);
}

/* The last notes are written while odmrd ends. */
static void
on_mismatch(const char *why, void *arg)
{
	struct server *server = arg;

	if (server->reconciler != NULL)
		reconciler_request(server->reconciler, why);
}

static void
start_parts(struct server *server)
{
	const struct conf *conf = server->conf;

	if (gsasl_init(&server->sasl) != GSASL_OK)
		fatal(EX_OSERR, "cannot start GNU SASL");
	gsasl_callback_set(server->sasl, credentials_answer);
	server->worker = worker_new(server->loop, conf, WORKERS);
	server->hasher = worker_new(server->loop, conf, HASHERS);
	server->reconciler = reconciler_new(server->loop, conf);
	server->settle = settle_new(server->loop, conf, on_mismatch, server);
	server->flusher = flusher_new(server->loop, conf);
	server->queue_count =
	    queue_count_new(server->loop, conf, QUEUE_COUNT_MS);
	server->patient_queue_count =
	    queue_count_new(server->loop, conf, QUEUE_COUNT_PATIENT_MS);
	server->registry = registry_new(server);
	server->dials = dials_new(server);
	server->shares = shares_new();
	server->peers = peers_new(server);
	server->standing = standing_watch_new(server);
	server->one_less = one_less;
	server->stop_timer = timer_new(server->loop, on_stop_timeout, server);
	server->pulse = timer_new(server->loop, beat, server);
	server->tls_client = tls_new_client();
	server->budget.limit = (size_t)conf->total_buffer;
	server->memory = memory_queue_new(server->loop);
	if (server->memory == NULL || server->tls_client == NULL ||
	    server->worker == NULL || server->hasher == NULL ||
	    server->reconciler == NULL || server->settle == NULL ||
	    server->flusher == NULL || server->queue_count == NULL ||
	    server->patient_queue_count == NULL || server->registry == NULL ||
	    server->dials == NULL || server->shares == NULL ||
	    server->peers == NULL || server->standing == NULL ||
	    server->stop_timer == NULL || server->pulse == NULL ||
	    loop_on_signal(server->loop, SIGHUP, on_hangup, server) == -1 ||
	    loop_on_signal(server->loop, SIGTERM, on_terminate, server) == -1 ||
	    loop_on_signal(server->loop, SIGINT, on_terminate, server) == -1)
		fatal(EX_OSERR, "cannot start: %s", strerror(errno));
	server->control = control_new(server, conf->control_socket);
	if (server->control == NULL)
		fatal(EX_CANTCREAT, "control_socket: %s: %s",
		    conf->control_socket, strerror(errno));
}

static void
free_parts(struct server *server)
{
	reconciler_free(&server->reconciler);
	dials_free(&server->dials);
	worker_free(&server->worker);
	worker_free(&server->hasher);
	standing_watch_free(&server->standing);
	control_free(&server->control);
	settle_free(&server->settle);
	queue_count_free(&server->queue_count);
	queue_count_free(&server->patient_queue_count);
	flusher_free(&server->flusher);
	registry_free(&server->registry);
	shares_free(&server->shares);
	timer_free(&server->stop_timer);
	timer_free(&server->pulse);
	memory_queue_free(&server->memory);
	gsasl_done(server->sasl);
	tls_free(&server->tls);
	tls_free(&server->tls_client);
	link_abandon_closing();
	loop_free(&server->loop);
	peers_free(&server->peers);
}

int
main(int argc, char **argv)
{
	struct options options = options_parse("odmrd", argc, argv);
	struct server server = { 0 };
	char error[ERROR_SIZE];
	struct conf conf;
	int pid_fd;

	streams_occupy();
	log_open("odmrd", LOG_TO_STDERR);
	if (!conf_load(&conf, options.conf_path, error))
		fatal(EX_CONFIG, "%s", error);
	if (options.test) {
		start_check(&conf, options.conf_path);
		conf_free(&conf);
		return EX_OK;
	}
	log_set_debug(conf.log_level == CONF_LOG_DEBUG);
	signal(SIGPIPE, SIG_IGN);
	if (!reload_init(options.conf_path))
		fatal(EX_CONFIG, "%s: %s", options.conf_path, strerror(errno));
	server.conf = &conf;
	server.loop = loop_new();
	TAILQ_INIT(&server.clients);
	TAILQ_INIT(&server.customers);
	if (server.loop == NULL)
		fatal(EX_OSERR, "cannot start the event loop");
	server.tls = start_tls(&conf);
	server.postfix_uid = start_postfix_uid(&conf);
	listen_all(&server, "listen", conf.listen, false);
	listen_all(&server, "listen_tls", conf.listen_tls, true);
	start_check_values(&conf);
	pid_fd = pid_file_open(conf.pid_file, error);
	if (pid_fd == -1)
		fatal(EX_CANTCREAT, "pid_file: %s", error);
	lock_sockets(&conf, start_enter_sockets(&conf));
	if (!options.foreground && daemon(1, conf.log == CONF_LOG_STDERR) == -1)
		fatal(
		    EX_OSERR, "cannot leave the terminal: %s", strerror(errno));
	if (!options.foreground && conf.log == CONF_LOG_SYSLOG)
		log_open("odmrd", LOG_TO_SYSLOG);
	descriptors_raise(&conf);
	start_become_user(&conf);
	start_check_sockets(&conf);
	start_look_at_database(&conf);
	registry_sweep();
	start_parts(&server);
	if (!pid_file_write(pid_fd))
		fatal(EX_CANTCREAT, "pid_file: %s: %s", conf.pid_file,
		    strerror(errno));
	log_info(NULL, "started");
	notify_ready();
	beat(&server);
	loop_run(server.loop);
	stop_listening();
	free_parts(&server);
	log_info(NULL, "stopped");
	pid_file_remove(conf.pid_file, pid_fd);
	reload_free();
	conf_free(&conf);
	return EX_OK;
}
