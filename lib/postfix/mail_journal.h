/* SPDX-License-Identifier: ISC */
/*
 * What Postfix has written to systemd's journal, as lines of a mail log
 * (mail_log_line.h).
 *
 * journald knows which user has written an entry. Only those of root's and of
 * Postfix's own processes count, so nobody else can say what became of mail.
 * They have the facility "mail", as Postfix does by default, and any name.
 *
 * A place in the journal is a cursor, which stays good while files of it are
 * rotated, and finds the next entry when its own was deleted.
 */
#ifndef MAIL_JOURNAL_H
#define MAIL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

/* Its members may read the journal. */
#define MAIL_JOURNAL_GROUP "systemd-journal"

enum { MAIL_JOURNAL_CURSOR_SIZE = 256, MAIL_JOURNAL_LINE_MAX = 4096 };

struct mail_journal_reader {
	/* Of `len` bytes with the newline; longer ones are cut. `cursor` is its
	 * place, and shorter than MAIL_JOURNAL_CURSOR_SIZE. false: no more. */
	bool (*line)(
	    void *arg, const char *line, size_t len, const char *cursor);
	/* Before the first line: the entry of the cursor is no more, and some
	 * that came after it may not be either. */
	void (*gone)(void *arg);
	void *arg;
};

/* From behind the entry of `cursor`, from the first of all where it is empty,
 * to the end. false: *why says why it cannot be read, also where not one entry
 * of any kind is to be seen, which is how a user finds it who may not. */
bool mail_journal_read(const struct mail_journal_reader *,
    const char *postfix_user, const char *cursor, const char **why);

#endif
