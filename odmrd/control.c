/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "odmrd/delivery/customer.h"
#include "odmrd/delivery/dial.h"
#include "odmrd/net/listener.h"
#include "lib/log.h"
#include "odmrd/client/client.h"
#include "odmrd/client/standing.h"
#include "odmrd/client/submission/submission.h"

enum { LINE_MAX_LENGTH = 300, PATIENCE_MS = 30000, CONNECTIONS = 100 };

static const char by_operator[] = "ended-by-operator";

struct control {
	struct server *server;
	struct listener *listener;
	TAILQ_HEAD(, connection) connections;
	int count;
};

struct connection {
	struct later grave;
	TAILQ_ENTRY(connection) entry;
	struct control *control;
	struct link *link;
	struct timer *timer;
	struct recheck *recheck; /* runs, or NULL: the next line may come */
};

/* ---- connections --------------------------------------------------------- */

static void
bury_connection(void *dead)
{
	struct connection *conn = dead;

	timer_free(&conn->timer);
	free(conn);
}

static void
hang_up(struct connection *conn)
{
	struct control *control = conn->control;

	if (conn->link == NULL)
		return;
	link_close(&conn->link);
	recheck_forget(&conn->recheck);
	timer_stop(conn->timer);
	TAILQ_REMOVE(&control->connections, conn, entry);
	control->count--;
	loop_bury(control->server->loop, &conn->grave, bury_connection, conn);
}

static void
refuse(struct connection *conn, const char *why)
{
	link_printf(conn->link, "error %s\n", why);
	hang_up(conn);
}

static void
say_ended(void *owner, const struct identity *who)
{
	struct connection *conn = owner;

	link_printf(conn->link, "ended %s %s\n", who->id,
	    who->login != NULL ? who->login : "-");
}

/* ---- recheck ------------------------------------------------------------- */

static void take_lines(void *owner);

static void
rechecked(void *owner, const char *fault)
{
	struct connection *conn = owner;

	conn->recheck = NULL;
	if (fault != NULL) {
		refuse(conn, fault);
		return;
	}
	link_printf(conn->link, "ok\n");
	take_lines(conn);
}

static void
on_recheck(struct connection *conn, const char *operand)
{
	static const struct recheck_role role = { say_ended, rechecked };

	(void)operand;
	conn->recheck = standing_recheck(conn->control->server, &role, conn);
	if (conn->recheck == NULL)
		refuse(conn, "out of memory");
}

/* ---- sessions ------------------------------------------------------------ */

static const char *
state_name(const struct client *cl)
{
	if (cl->turn != NULL)
		return "waiting";
	if (submission_has_mail(cl))
		return "submitting";
	return cl->state == CLIENT_KNOWN ? "idle" : "asking";
}

static void
on_sessions(struct connection *conn, const char *operand)
{
	const struct client *cl;
	long strangers = 0;

	(void)operand;
	TAILQ_FOREACH(cl, &conn->control->server->clients, entry)
		if (cl->who.login == NULL)
			strangers++;
		else
			link_printf(conn->link,
			    "session %s %s %" PRId64 " %s %s\n", cl->who.id,
			    state_name(cl),
			    (int64_t)time(NULL) -
				(loop_now_ms() - cl->began_ms) / 1000,
			    cl->who.client, cl->who.login);
	link_printf(conn->link, "strangers %ld\nok\n", strangers);
}

/* ---- end ----------------------------------------------------------------- */

static const struct identity *
end_session(struct server *server, const char *id)
{
	struct customer *c;
	struct client *cl;

	TAILQ_FOREACH(c, &server->customers, entry)
		if (strcmp(c->who.id, id) == 0) {
			customer_stop(c, by_operator);
			return &c->who;
		}
	TAILQ_FOREACH(cl, &server->clients, entry)
		if (strcmp(cl->who.id, id) == 0) {
			client_dismiss(cl, by_operator);
			return &cl->who;
		}
	return NULL;
}

/* Who ends is there until the end of this turn of the loop. */
static void
on_end(struct connection *conn, const char *operand)
{
	const struct identity *who =
	    end_session(conn->control->server, operand);

	if (who != NULL)
		say_ended(conn, who);
	link_printf(conn->link, "ok\n");
}

/* ---- dial ---------------------------------------------------------------- */

static void
on_dial(struct connection *conn, const char *operand)
{
	char domain[DOMAIN_SIZE];
	const char *why;

	if (!domain_canonical(operand, strlen(operand), domain, &why))
		refuse(conn, "no domain");
	else if (!dial_domain(conn->control->server->dials, domain))
		refuse(conn, "odmrd stops, or is out of memory");
	else
		link_printf(conn->link, "ok\n");
}

/* ---- lines --------------------------------------------------------------- */

static const struct {
	const char *verb;
	bool operand;
	void (*handle)(struct connection *conn, const char *operand);
} commands[] = {
	{ "recheck", false, on_recheck },
	{ "sessions", false, on_sessions },
	{ "end", true, on_end },
	{ "dial", true, on_dial },
};

static void
take_command(struct connection *conn, char *line)
{
	char *operand = line + strcspn(line, " ");
	bool has_operand = *operand != '\0';

	if (has_operand)
		*operand++ = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].verb, line) == 0 &&
		    commands[i].operand == has_operand) {
			commands[i].handle(conn, operand);
			return;
		}
	refuse(conn, "no such command");
}

/* One that does not read its answers is not listened to. */
static void
take_lines(void *owner)
{
	struct connection *conn = owner;
	char *line;
	size_t len;

	while (conn->link != NULL && conn->recheck == NULL &&
	    link_unsent(conn->link) <= LINK_LOW_WATER)
		switch (
		    link_line(conn->link, LINE_MAX_LENGTH, true, &line, &len)) {
		case LINE_NONE:
			return;
		case LINE_OK:
			timer_set(conn->timer, PATIENCE_MS);
			take_command(conn, line);
			break;
		case LINE_LONG:
		case LINE_BAD:
			refuse(conn, "malformed line");
			break;
		}
}

static void
on_ended(void *owner, const char *why)
{
	(void)why;
	hang_up(owner);
}

static void
on_silence(void *arg)
{
	hang_up(arg);
}

static const struct link_role control_role = {
	.input = take_lines,
	.drained = take_lines,
	.ended = on_ended,
};

/* ---- the socket ---------------------------------------------------------- */

static void
welcome(struct control *control, int fd)
{
	struct loop *loop = control->server->loop;
	struct connection *conn = calloc(1, sizeof(*conn));

	if (conn != NULL)
		conn->timer = timer_new(loop, on_silence, conn);
	if (conn == NULL || conn->timer == NULL) {
		free(conn);
		close(fd);
		return;
	}
	conn->link = link_new(loop, fd, &control_role, conn);
	if (conn->link == NULL) {
		bury_connection(conn);
		return;
	}
	conn->control = control;
	TAILQ_INSERT_TAIL(&control->connections, conn, entry);
	control->count++;
	timer_set(conn->timer, PATIENCE_MS);
}

static void
on_accept(int fd, const struct sockaddr *peer, socklen_t len, void *arg)
{
	struct control *control = arg;
	uid_t uid = peer_uid(fd);

	(void)peer;
	(void)len;
	if (uid != 0 && uid != geteuid())
		log_warning(
		    NULL, "refused: uid %ld on the control socket", (long)uid);
	else if (control->count >= CONNECTIONS)
		log_warning(NULL,
		    "refused: more than %d connections on the "
		    "control socket",
		    CONNECTIONS);
	else {
		welcome(control, fd);
		return;
	}
	close(fd);
}

bool
control_check(const char *path, char *error, size_t size)
{
	struct sockaddr_un addr;

	if (path[0] != '/')
		snprintf(error, size, "%.255s: is no absolute path", path);
	else if (strlen(path) >= sizeof(addr.sun_path))
		snprintf(error, size, "%.255s: is longer than %zu octets", path,
		    sizeof(addr.sun_path) - 1);
	else
		return true;
	return false;
}

/* Does another process answer there? */
static bool
is_in_use(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool answers;

	if (fd == -1)
		return false;
	strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	/* EAGAIN: its backlog is full. */
	answers =
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ||
	    errno == EAGAIN;
	close(fd);
	return answers;
}

/* What a dead odmrd left is replaced, and nothing else: 0, or an errno. */
static int
occupied(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	return is_in_use(path) ? EADDRINUSE : 0;
}

struct control *
control_new(struct server *server, const char *path)
{
	struct control *control;

	errno = occupied(path);
	if (errno != 0)
		return NULL;
	control = calloc(1, sizeof(*control));
	if (control == NULL)
		return NULL;
	control->server = server;
	TAILQ_INIT(&control->connections);
	control->listener =
	    listener_unix(server->loop, path, on_accept, control);
	if (control->listener == NULL) {
		free(control);
		return NULL;
	}
	return control;
}

void
control_free(struct control **control)
{
	struct connection *conn;

	if (*control == NULL)
		return;
	listener_free(&(*control)->listener);
	while ((conn = TAILQ_FIRST(&(*control)->connections)) != NULL)
		hang_up(conn);
	free(*control);
	*control = NULL;
}
