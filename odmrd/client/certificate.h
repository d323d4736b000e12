/* SPDX-License-Identifier: ISC */
/*
 * The client's TLS certificate: is it registered, so that EXTERNAL can be
 * offered? Asked once, when the handshake is done.
 */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

struct client;

/* Where the client has shown a certificate, it waits for the answer
 * (CLIENT_ASKING) and goes on in CLIENT_NEW. */
void certificate_ask(struct client *client);

#endif
