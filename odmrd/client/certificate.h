/* SPDX-License-Identifier: ISC */
/*
 * The client's TLS certificate: is it registered, so that EXTERNAL can be
 * offered? Asked once, when the handshake is done.
 */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

struct session;

/* Where the client has shown a certificate, the session waits for the answer
 * (SESSION_ASKING) and goes on in SESSION_NEW. */
void certificate_ask(struct session *session);

#endif
