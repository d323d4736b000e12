/* SPDX-License-Identifier: ISC */
/*
 * The first words with a customer after the turn: its 220, our EHLO or HELO,
 * what it can do, and from that and from earlier sessions the plan of the
 * pipeline. Where the connection is in clear and the customer's server offers
 * STARTTLS (RFC 3207), TLS comes in between (reverse_tls); whoever it is has
 * proved it by AUTH, so no certificate is asked for. (Nor of a server that was
 * dialled: so Postfix does by default.)
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>

#include "reply_queue.h"

struct customer;
struct reply;

/* The line is turned: asks what earlier sessions have taught, which has to be
 * known before the first word. */
void hello_prepare(struct customer *customer);
/* Replies. NULL, or why the session must end. */
const char *hello_greeting(
    struct customer *customer, const struct reply *reply);
/* A line of the EHLO reply behind the first: one keyword. */
void hello_learn(struct customer *customer, const char *line);
const char *hello_ehlo(struct customer *customer, const struct reply *reply);
const char *hello_starttls(
    struct customer *customer, const struct reply *reply);
/* The handshake is done. */
void hello_secured(struct customer *customer);
const char *hello_helo(struct customer *customer, const struct reply *reply);
/* The customer's server has barred this way by `code`, in reply to what the
 * head of the FIFO says. True: another one is begun, over the same line, and
 * nothing of a message was lost by it. Else the session must end. */
bool hello_again(
    struct customer *customer, const struct expected *expected, int code);

#endif
