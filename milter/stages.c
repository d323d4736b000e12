/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <libmilter/mfapi.h>

#include "complaint.h"
#include "message.h"
#include "record.h"
#include "stages.h"

enum {
	UNWANTED = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOHDRS | SMFIP_NOEOH |
	    SMFIP_NOBODY | SMFIP_NOUNKNOWN,
	UNANSWERED = SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT
};

/* One SMTP session; it lives from the negotiation to close. */
struct session {
	char client[INET6_ADDRSTRLEN];
	unsigned long unanswered; /* of UNANSWERED, what the peer agreed to */
	struct message message;
};

static sfsistat
answer(const struct session *session, unsigned long stage)
{
	return session != NULL && (session->unanswered & stage) != 0
	    ? SMFIS_NOREPLY
	    : SMFIS_CONTINUE;
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long offered,
    unsigned long unused2, unsigned long unused3, unsigned long *want_actions,
    unsigned long *want, unsigned long *want2, unsigned long *want3)
{
	struct session *session = calloc(1, sizeof(*session));

	(void)actions;
	(void)unused2;
	(void)unused3;
	*want_actions = SMFIF_NONE;
	*want = offered & UNWANTED;
	*want2 = 0;
	*want3 = 0;
	if (session == NULL || smfi_setpriv(ctx, session) != MI_SUCCESS) {
		free(session);
		return SMFIS_CONTINUE;
	}
	session->unanswered = offered & UNANSWERED;
	*want |= session->unanswered;
	return SMFIS_CONTINUE;
}

/* Mail from sendmail(1) comes as from 127.0.0.1; what is no address of the
 * Internet is local, too. */
static void
print_address(const _SOCK_ADDR *addr, char *out, socklen_t size)
{
	const void *bytes = NULL;

	strlcpy(out, "localhost", size);
	if (addr == NULL)
		return;
	if (addr->sa_family == AF_INET)
		bytes =
		    &((const struct sockaddr_in *)(const void *)addr)->sin_addr;
	else if (addr->sa_family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)addr)
			     ->sin6_addr;
	if (bytes != NULL)
		inet_ntop(addr->sa_family, bytes, out, size);
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr)
{
	struct session *session = smfi_getpriv(ctx);

	(void)host;
	if (session != NULL)
		print_address(addr, session->client, sizeof(session->client));
	return answer(session, SMFIP_NR_CONN);
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_begin(&session->message, argv);
	return answer(session, SMFIP_NR_MAIL);
}

/* Postfix sends only the recipients that it accepted. */
static sfsistat
on_recipient(SMFICTX *ctx, char **argv)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL)
		message_recipient(&session->message, argv);
	return answer(session, SMFIP_NR_RCPT);
}

static sfsistat
on_end_of_message(SMFICTX *ctx)
{
	static char macro[] = "i";
	struct session *session = smfi_getpriv(ctx);
	const char *queue_id = smfi_getsymval(ctx, macro);

	if (session == NULL) {
		complaint_missed(queue_id, "out of memory");
		return SMFIS_CONTINUE;
	}
	record_message(&session->message, queue_id, session->client);
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

static sfsistat
on_close(SMFICTX *ctx)
{
	struct session *session = smfi_getpriv(ctx);

	if (session != NULL) {
		smfi_setpriv(ctx, NULL);
		message_clear(&session->message);
		free(session);
	}
	return SMFIS_CONTINUE;
}

bool
stages_register(void)
{
	static char name[] = "odmr-milter";
	struct smfiDesc stages = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_NONE,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_recipient,
		.xxfi_eom = on_end_of_message,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	return smfi_register(stages) == MI_SUCCESS;
}
