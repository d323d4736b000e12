/* SPDX-License-Identifier: ISC */
/*
 * The first words with a customer after the turn: its 220, our EHLO or HELO,
 * what it can do, and from that the plan of the pipeline. Where the connection
 * is in clear and the customer's server offers STARTTLS, TLS comes in between
 * (reverse_tls); whoever it is has proved it by AUTH, so no certificate is
 * asked for.
 */
#ifndef HELLO_H
#define HELLO_H

struct customer;
struct reply;

void hello_greeting(struct customer *customer, const struct reply *reply);
/* A line of the EHLO reply behind the first: one keyword. */
void hello_learn(struct customer *customer, const char *line);
void hello_ehlo(struct customer *customer, const struct reply *reply);
void hello_starttls(struct customer *customer, const struct reply *reply);
/* The handshake is done; or the line broke, perhaps within it. */
void hello_secured(struct customer *customer);
void hello_failed(struct customer *customer);
void hello_helo(struct customer *customer, const struct reply *reply);

#endif
