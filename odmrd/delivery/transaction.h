/* SPDX-License-Identifier: ISC */
/*
 * A transaction: one message on its way from a Postfix lmtp(8) to the
 * customer, with its envelope, a bounded stretch of its body, and one answer
 * for each recipient. odmrd never owns mail: this is all that is ever held of
 * a message, and it goes when either side does.
 *
 * Two roles look at it: its owner, Postfix's side (lmtp.h), fills it and waits
 * for the answers, the pipeline empties it and brings them. Either may vanish
 * first; the other then finishes alone, and who is last frees it.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "odmrd/net/budget.h"
#include "lib/dot.h"
#include "lib/reply.h"
#include "lib/store/suspicion.h"

/* What is true of a transaction as the pipeline sees it, which alone sets it.
 */
enum tx_state {
	TX_FILLING, /* lmtp reads it; nothing of it is on the wire */
	TX_WAITING, /* in the pipeline's line, ready to be sent */
	TX_SENDING, /* some of it is on the wire, some is not */
	TX_SENT,    /* all that will be sent is on the wire */
	TX_DONE,    /* every recipient has its answer */
};

/* How a transaction goes on the wire: see pipeline.h. */
enum plan { PLAN_LOCKSTEP, PLAN_PIPELINING, PLAN_CHUNKING };

enum { TX_ID_SIZE = 32, QUEUE_ID_SIZE = 64 };

struct customer;

/* What the owner of a transaction hears of it. */
struct tx_owner_role {
	/* Every recipient has its answer. */
	void (*answered)(void *owner);
	/* There is room in the buffer again. */
	void (*resume)(void *owner);
	/* Has Postfix hung up? Then its side is gone now. */
	bool (*gone)(void *owner);
};

/* The transactions of a session. */
struct traffic {
	struct budget budget; /* for their bodies */
	size_t live;          /* begun, and not answered */
	size_t put_off;       /* of those, waiting until there are no others */
	/* None is left but those; said within other calls. */
	void (*quiet)(struct customer *customer);
	struct customer *customer;
};

struct recipient {
	char *args;    /* what stands behind "RCPT TO:" */
	int code;      /* the customer's answer; 0: none yet */
	char *text;    /* of that answer */
	bool accepted; /* RCPT was answered 2xx; the message decides */
};

struct transaction {
	TAILQ_ENTRY(transaction) entry;
	enum tx_state state;
	const struct tx_owner_role *role;
	void *owner;                  /* NULL once Postfix's side is gone */
	const char *domain;           /* whose socket it uses; the owner's */
	char queue_id[QUEUE_ID_SIZE]; /* by XFORWARD IDENT; or "" */
	char received_id[TX_ID_SIZE]; /* by the Received: field; or "" */
	char earlier_id[TX_ID_SIZE];  /* by the one before; or "" */
	char *mail_args;              /* what stands behind "MAIL FROM:" */
	struct recipient *rcpts;
	size_t rcpt_count;
	size_t next;       /* the pipeline's: recipient to be named next */
	unsigned expected; /* replies outstanding */
	enum plan plan;
	enum suspicion suspicion; /* by what was before this session */
	int64_t faulted;          /* when that was last */
	enum fault fault;         /* and by how this session ended */
	bool put_off;             /* by tx_put_off */
	bool body_begun;          /* some of the body is on the wire */
	bool enough;              /* the customer takes no more recipients */
	bool unsettled;           /* was not tried: its tag stays as it is */
	long doubted;             /* answers that were 5xx and are 4xx now */
	bool mail_refused;
	bool bdat_refused; /* 5xx */
	bool discard;      /* the rest of the body interests nobody */
	bool whole;        /* the end of the body was read */
	char *body;        /* decoded, not yet on the wire */
	size_t body_len;
	size_t body_size;  /* allocated */
	size_t body_first; /* of that, what no budget was asked for */
	struct traffic *traffic;
	bool starved; /* more was wanted than the budget has */
	size_t body_max;
	int64_t bytes;  /* of body seen so far */
	struct dot dot; /* where the outgoing body stands, for DATA */
};

TAILQ_HEAD(transactions, transaction);

/* Without an owner yet. `traffic` outlives it; the strings are copied. NULL:
 * out of memory. */
struct transaction *tx_new(struct traffic *traffic, const char *mail_args,
    const char queue_id[QUEUE_ID_SIZE], size_t body_max);
void tx_free(struct transaction **tx);
/* It waits until there are no others, or no longer. */
void tx_put_off(struct transaction *tx, bool put_off);
/* Are there others than those? */
bool traffic_is_busy(const struct traffic *traffic);

/* False: out of memory. */
bool tx_add_recipient(struct transaction *tx, const char *args);

/*
 * How much more of the body, at most `n` bytes, can be taken now; it goes to
 * tx_space(), and tx_filled() says how many came. 0: the buffer is full, or no
 * memory is to be had beyond what it has (`starved`).
 */
size_t tx_room(struct transaction *tx, size_t n);
char *tx_space(struct transaction *tx);
void tx_filled(struct transaction *tx, size_t n);
/* Is there as much in the buffer as it can have now? */
bool tx_full(const struct transaction *tx);
/* The first `n` bytes of the buffer were sent. */
void tx_sent(struct transaction *tx, size_t n);

/* How much of the arguments of MAIL or RCPT is the path, "<...>". */
size_t tx_path_len(const char *args);

/* The first answer that a recipient gets stays. */
void tx_answer(struct transaction *tx, size_t rcpt, int code, const char *text);
/* Answers all that have none; with `accepted_only`, those alone whose RCPT
 * was taken. */
void tx_answer_rest(
    struct transaction *tx, bool accepted_only, int code, const char *text);
size_t tx_accepted(const struct transaction *tx);
/* The id that the message's tag has most likely, and the one that it may have
 * else; NULL where there is none. */
const char *tx_id(const struct transaction *tx);
const char *tx_other_id(const struct transaction *tx);
/* Recipients whose answer is of that class (2, 4, 5). */
size_t tx_count(const struct transaction *tx, int class);

#endif
