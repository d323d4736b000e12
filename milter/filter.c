/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

#include "filter.h"
#include "record.h"

enum {
	/* What need not be sent, and what is not waited for. */
	UNWANTED = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOBODY |
	    SMFIP_NOUNKNOWN,
	MUTE = SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR,
};

/* Of a connection, from its negotiation to its end. */
struct session {
	struct message message;
	char client[INET6_ADDRSTRLEN];
};

static atomic_uint connections;
static unsigned connections_most;
static atomic_uint closed;

void
filter_limit(unsigned most)
{
	connections_most = most;
}

unsigned
filter_closed(void)
{
	return atomic_load(&closed);
}

/* NULL, with the reason, if there is no room for it. Another one begins on the
 * same connection where the mail system says that a next session does. */
static struct session *
begin_session(SMFICTX *ctx, const char **why)
{
	struct session *session = NULL;

	*why = "too many connections";
	if (atomic_fetch_add(&connections, 1) < connections_most) {
		*why = "out of memory";
		session = calloc(1, sizeof(*session));
	}
	if (session == NULL)
		atomic_fetch_sub(&connections, 1);
	else
		smfi_setpriv(ctx, session);
	return session;
}

/* Whatever Postfix's parameters milter_*_macros say. At stages that have no
 * queue id yet it stands for nothing, where an empty list would stand for all
 * that those parameters name. */
static void
ask_for_macros(SMFICTX *ctx)
{
	static char id[] = "i", with_address[] = "i {rcpt_addr}";

	for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++)
		smfi_setsymlist(
		    ctx, stage, stage == SMFIM_ENVRCPT ? with_address : id);
}

/* To close a connection is all that a refusal does here: Postfix goes on
 * without the milter. */
static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long unused2, unsigned long unused3, unsigned long *our_actions,
    unsigned long *our_steps, unsigned long *our2, unsigned long *our3)
{
	struct session *session = smfi_getpriv(ctx);
	const char *why;

	(void)unused2;
	(void)unused3;
	if (session == NULL)
		session = begin_session(ctx, &why);
	if (session == NULL) {
		record_missed(NULL, why);
		return SMFIS_REJECT;
	}
	*our_actions = actions & SMFIF_SETSYMLIST;
	*our_steps = steps & (UNWANTED | MUTE);
	*our2 = *our3 = 0;
	if (*our_actions != 0)
		ask_for_macros(ctx);
	return SMFIS_CONTINUE;
}

/* Mail from sendmail(1) comes as from 127.0.0.1; what has no address of the
 * Internet is local, too. */
static sfsistat
on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
	struct session *session = smfi_getpriv(ctx);
	const void *number = NULL;
	const char *why;

	(void)host;
	if (session == NULL)
		session = begin_session(ctx, &why);
	if (session == NULL)
		return SMFIS_NOREPLY;
	if (address != NULL && address->sa_family == AF_INET)
		number = &((struct sockaddr_in *)address)->sin_addr;
	if (address != NULL && address->sa_family == AF_INET6)
		number = &((struct sockaddr_in6 *)address)->sin6_addr;
	if (number == NULL ||
	    inet_ntop(address->sa_family, number, session->client,
		sizeof(session->client)) == NULL)
		strlcpy(session->client, "localhost", sizeof(session->client));
	return SMFIS_NOREPLY;
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_begin(&session->message, (const char *const *)argv);
	return SMFIS_NOREPLY;
}

/* Postfix sends only the recipients that it accepted, and tells beside what the
 * client wrote what it takes that for. */
static sfsistat
on_recipient(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);
	const char *address = smfi_getsymval(ctx, (char[]) { "{rcpt_addr}" });

	if (session != NULL && session->message.sender != NULL)
		message_recipient(
		    &session->message, address != NULL ? address : argv[0]);
	return SMFIS_NOREPLY;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_header(
		    &session->message, (const char *[]) { name, value, NULL });
	return SMFIS_NOREPLY;
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);
	const char *queue_id = smfi_getsymval(ctx, (char[]) { "i" });

	if (session != NULL)
		record_message(&session->message, queue_id, session->client);
	else
		record_missed(queue_id, "out of memory");
	return SMFIS_CONTINUE;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_clear(&session->message);
	return SMFIS_CONTINUE;
}

/* Of the connection, or of one session of it; also where libmilter gives it up
 * before anything was said. */
static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	atomic_fetch_add(&closed, 1);
	if (session == NULL)
		return SMFIS_CONTINUE;
	smfi_setpriv(ctx, NULL);
	message_clear(&session->message);
	free(session);
	atomic_fetch_sub(&connections, 1);
	return SMFIS_CONTINUE;
}

bool
filter_register(void)
{
	static char name[] = "odmr-milter";

	return smfi_register((struct smfiDesc) {
		   .xxfi_name = name,
		   .xxfi_version = SMFI_VERSION,
		   .xxfi_connect = on_connect,
		   .xxfi_envfrom = on_mail,
		   .xxfi_envrcpt = on_recipient,
		   .xxfi_header = on_header,
		   .xxfi_eom = on_end_of_message,
		   .xxfi_abort = on_abort,
		   .xxfi_close = on_close,
		   .xxfi_negotiate = on_negotiate,
	       }) == MI_SUCCESS;
}
