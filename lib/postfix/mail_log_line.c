/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mail_log_line.h"

/* syslogds cut lines, the strictest of those in use at 1,024 bytes. */
enum { LENGTH_MAX = 900 };

static const char *const delivered_by[] = {
	[MAIL_SENT] = "sent",
	[MAIL_BOUNCED] = "bounced",
	[MAIL_DEFERRED] = "deferred",
};

static bool
skip(char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool
skip_number(char **at)
{
	size_t len = strspn(*at, "0123456789");

	*at += len;
	return len > 0;
}

/* One word and the blank behind it. */
static bool
skip_word(char **at)
{
	size_t len = strcspn(*at, " ");

	if (len == 0 || (*at)[len] == '\0')
		return false;
	*at += len + 1;
	return true;
}

/* "Nov 22 06:05:51 ", or the one word of ISO 8601. */
static bool
skip_stamp(char **at)
{
	enum { LEN = sizeof("Nov 22 06:05:51 ") - 1 };
	char *s = *at;

	if (isdigit((unsigned char)s[0]))
		return skip_word(at);
	if (strnlen(s, LEN) < LEN || s[3] != ' ' || s[6] != ' ' ||
	    s[9] != ':' || s[12] != ':' || s[15] != ' ')
		return false;
	*at += LEN;
	return true;
}

/* "postfix/relay/smtp[9]: ": points `daemon` at what is behind the last '/'. An
 * instance has its own name before the first. */
static bool
take_program(char **at, char **daemon)
{
	size_t len = strcspn(*at, "[ :");
	char *slash = memrchr(*at, '/', len), *end = *at + len;

	if (slash == NULL || *end != '[')
		return false;
	*end = '\0';
	*at = end + 1;
	*daemon = slash + 1;
	return skip_number(at) && skip(at, "]: ");
}

static bool
take_queue_id(char **at, const char **queue_id)
{
	char *end = *at;

	while (isalnum((unsigned char)*end))
		end++;
	if (end == *at || strncmp(end, ": ", 2) != 0)
		return false;
	*end = '\0';
	*queue_id = *at;
	*at = end + 2;
	return true;
}

/* Moves behind the quote that ends what begins at `*at`, and takes the escapes
 * out of what is between them. */
static bool
take_quoted(char **at, const char **text)
{
	char *from = *at + 1, *to = from;

	*text = to;
	for (; *from != '"'; *to++ = *from++) {
		if (*from == '\\')
			from++;
		if (*from == '\0')
			return false;
	}
	*at = from + 1;
	*to = '\0';
	return true;
}

static bool
take_local(char **at, const char **local)
{
	size_t len;

	if (**at == '"')
		return take_quoted(at, local) && skip(at, "@");
	len = strcspn(*at, "@<>\" ");
	if ((*at)[len] != '@')
		return false;
	(*at)[len] = '\0';
	*local = *at;
	*at += len + 1;
	return true;
}

/* Only domains as ours can be are of concern. */
static bool
take_recipient(char **at, struct mail_log_line *line)
{
	size_t len;

	if (!take_local(at, &line->local))
		return false;
	len = strcspn(*at, ">");
	if ((*at)[len] != '>' ||
	    !domain_canonical(*at, len, line->domain, NULL))
		return false;
	*at += len + 1;
	return true;
}

/* Has a unix socket where a host's address would be: "name[odmr/b.test]". */
static bool
names_socket(const char *text)
{
	const char *open = strpbrk(text, "[,");
	size_t len;

	if (open == NULL || *open != '[')
		return false;
	len = strcspn(open, "],");
	return memchr(open, '/', len) != NULL;
}

/* To ", relay=R, " behind the address. An address before rewriting comes
 * between. */
static bool
take_relay(char **at, struct mail_log_line *line)
{
	const char *ignored;

	if (skip(at, ", orig_to=<")) {
		if (**at == '"' && !take_quoted(at, &ignored))
			return false;
		*at += strcspn(*at, ">");
		if (!skip(at, ">"))
			return false;
	}
	if (!skip(at, ", relay="))
		return false;
	line->by_socket = names_socket(*at);
	line->by_host = !line->by_socket && (*at)[strcspn(*at, "[,")] == '[';
	*at += strcspn(*at, ",");
	return true;
}

/* ", name=VALUE" */
static bool
skip_field(char **at, const char *name, const char *characters)
{
	return skip(at, name) && (*at += strspn(*at, characters), true);
}

static bool
take_status(char **at, enum mail_event *event)
{
	for (int i = MAIL_SENT; i <= MAIL_DEFERRED; i++) {
		size_t len = strlen(delivered_by[i]);

		if (strncmp(*at, delivered_by[i], len) != 0 ||
		    strncmp(*at + len, " (", 2) != 0)
			continue;
		*at += len + 2;
		*event = (enum mail_event)i;
		return true;
	}
	return false;
}

/* "host mx.b.test[192.0.2.1] said: 550 no" is the server's, the rest Postfix's
 * own. The line may have been cut short within it. */
static void
take_answer(char *at, struct mail_log_line *line)
{
	size_t len = strlen(at);

	if (len > 0 && at[len - 1] == ')')
		at[len - 1] = '\0';
	line->answer = at;
	line->by_server = line->event == MAIL_SENT ||
	    (strncmp(at, "host ", 5) == 0 && strstr(at, " said: ") != NULL);
	if (line->event == MAIL_DEFERRED && !line->by_socket) {
		skip(&at, "delivery temporarily suspended: ");
		line->by_socket = names_socket(at);
	}
}

/* Whether the address may go on behind what looks like its end. */
static bool
is_doubtful(const char *daemon, const char *text)
{
	static const char end[] = ">, relay=";
	const char *first = strstr(text, end);

	if (strcmp(daemon, "error") != 0 && strcmp(daemon, "retry") != 0)
		return false;
	return strnlen(text, LENGTH_MAX) == LENGTH_MAX || first == NULL ||
	    strstr(first + 1, end) != NULL;
}

static bool
read_delivery(struct mail_log_line *line, const char *daemon, char *at)
{
	static const char digits[] = "0123456789.";

	if (is_doubtful(daemon, at) || !take_recipient(&at, line) ||
	    !take_relay(&at, line))
		return false;
	if (strncmp(at, ", conn_use=", 11) == 0)
		skip_field(&at, ", conn_use=", digits);
	if (!skip_field(&at, ", delay=", digits) ||
	    !skip_field(&at, ", delays=", "0123456789./") ||
	    !skip_field(&at, ", dsn=", digits) || !skip(&at, ", status=") ||
	    !take_status(&at, &line->event))
		return false;
	take_answer(at, line);
	return true;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The other lines with "from=" end in "(queue active)", whatever the sender
 * looks like, unless that was cut off. */
static bool
is_expiry(const char *text)
{
	return strncmp(text, "from=<", 6) == 0 &&
	    strnlen(text, LENGTH_MAX) < LENGTH_MAX &&
	    (ends_with(text, ">, status=expired, returned to sender") ||
		ends_with(text, ">, status=force-expired, returned to sender"));
}

static bool
read_ending(struct mail_log_line *line, const char *daemon, const char *text)
{
	bool by_manager =
	    strcmp(daemon, "qmgr") == 0 || strcmp(daemon, "oqmgr") == 0;

	if (strcmp(text, "removed") == 0)
		line->event = by_manager ? MAIL_REMOVED : MAIL_DELETED;
	else if (is_expiry(text))
		line->event = MAIL_EXPIRED;
	else
		return false;
	return by_manager || strcmp(daemon, "postsuper") == 0;
}

bool
mail_log_line_read(struct mail_log_line *line, char *text)
{
	char *at = text, *daemon;

	line->stamp = text;
	if (!skip_stamp(&at) || !skip_word(&at) ||
	    !take_program(&at, &daemon) || !take_queue_id(&at, &line->queue_id))
		return false;
	if (skip(&at, "to=<"))
		return read_delivery(line, daemon, at);
	return read_ending(line, daemon, at);
}

/* Without a year: the one in which it is not in the future. */
static int64_t
traditional_time(const char *stamp, time_t now)
{
	enum { DAY = 24 * 60 * 60 };
	struct tm tm, today;
	time_t when;

	localtime_r(&now, &today);
	for (int year = today.tm_year + 1; year >= today.tm_year - 1; year--) {
		memset(&tm, 0, sizeof(tm));
		if (strptime(stamp, "%b %d %H:%M:%S", &tm) == NULL)
			break;
		tm.tm_year = year;
		tm.tm_isdst = -1;
		when = mktime(&tm);
		if (when != -1 && when <= now + DAY)
			return when;
	}
	return now;
}

/* Without an offset, as some write it, it is local time. */
static int64_t
iso_time(const char *stamp, time_t now)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	struct tm zone = { 0 };
	time_t when;

	if (rest == NULL)
		return now;
	rest += strspn(rest, ".,0123456789");
	if (*rest == ' ')
		when = mktime(&tm);
	else if (strptime(rest, "%z", &zone) != NULL)
		when = timegm(&tm) - zone.tm_gmtoff;
	else
		when = -1;
	return when == -1 ? now : when;
}

int64_t
mail_log_time(const char *stamp, time_t now)
{
	return isdigit((unsigned char)stamp[0]) ? iso_time(stamp, now)
						: traditional_time(stamp, now);
}
