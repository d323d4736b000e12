/* SPDX-License-Identifier: ISC */
#include "peers.h"
#include "penalty.h"
#include "session.h"

bool
penalty_allows(struct session *s)
{
	if (!peer_is_barred(s->peer))
		return true;
	session_reply(s, "421 4.7.0 %s Too many failed authentications",
	    s->server->conf->myhostname);
	session_end(s, "too-many-failures");
	return false;
}

static void
on_over(void *arg)
{
	struct session *s = arg;

	if (!penalty_allows(s))
		return;
	session_refuse(s, "535 5.7.8 Authentication failed");
	if (s->state != SESSION_ENDED)
		session_continue(s, session_rest_state(s));
}

void
penalty_begin(struct session *s)
{
	if (s->penalty == NULL)
		s->penalty = timer_new(s->server->loop, on_over, s);
	if (s->penalty == NULL)
		session_end(s, "out-of-memory");
	else
		timer_set(s->penalty, peer_auth_failed(s->peer));
}
