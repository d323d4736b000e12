/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/endpoint.h"
#include "milters.h"

const char *
milters_option(struct doctor *doctor, const struct mention *mention,
    const char *name, const char *general)
{
	const char *list = mention->options, *word;
	size_t len, name_len = strlen(name);

	while ((len = postfix_word(&list, &word)) > 0)
		if (len > name_len && word[name_len] == '=' &&
		    memcmp(word, name, name_len) == 0)
			return doctor_text(doctor, "%.*s",
			    (int)(len - name_len - 1), word + name_len + 1);
	return postfix_setting(doctor->postfix, general);
}

static struct mention
read_mention(struct doctor *doctor, const char *word, size_t len)
{
	const char *rest, *address;
	size_t n;

	if (word[0] != '{')
		return (struct mention) {
			doctor_text(doctor, "%.*s", (int)len, word), ""
		};
	rest = doctor_text(doctor, "%.*s", (int)len - 2, word + 1);
	n = postfix_word(&rest, &address);
	return (struct mention) { doctor_text(doctor, "%.*s", (int)n, address),
		rest };
}

/* Both name a socket, in their own ways. */
static bool
is_ours(struct doctor *doctor, const char *address)
{
	const char *queue = postfix_setting(doctor->postfix, "queue_directory");
	struct endpoint socket;
	const char *ours =
	    endpoint_socket(&socket, doctor->conf->milter_socket);

	if (strncmp(address, "inet:", 5) == 0)
		return ours == NULL &&
		    strcmp(strrchr(address, ':') + 1, socket.port) == 0;
	if (strncmp(address, "unix:", 5) != 0 || ours == NULL)
		return false;
	address += strlen("unix:");
	if (address[0] != '/')
		address = doctor_text(doctor, "%s/%s", queue, address);
	return strcmp(address, ours) == 0;
}

bool
milters_find_ours(
    struct doctor *doctor, const char *list, struct mention *found)
{
	const char *word;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		*found = read_mention(doctor, word, len);
		if (is_ours(doctor, found->address))
			return true;
	}
	return false;
}

/* ---- cures --------------------------------------------------------------- */

/* Relative to queue_directory, which a jail finds as well. */
static const char *
our_address(struct doctor *doctor)
{
	const char *queue = postfix_setting(doctor->postfix, "queue_directory");
	size_t len = strlen(queue);
	struct endpoint socket;
	const char *path =
	    endpoint_socket(&socket, doctor->conf->milter_socket);

	if (path == NULL)
		return doctor_text(doctor, "inet:%s:%s",
		    socket.host[0] != '\0' ? socket.host : "localhost",
		    socket.port);
	if (strncmp(path, queue, len) == 0 && path[len] == '/')
		path += len + 1;
	return doctor_text(doctor, "unix:%s", path);
}

const char *
milters_shipped(struct doctor *doctor)
{
	return doctor_text(doctor,
	    "{ %s, default_action=accept, connect_timeout=5s, "
	    "command_timeout=10s, content_timeout=10s }",
	    our_address(doctor));
}

static const char *
join(struct doctor *doctor, const char *list)
{
	const char *made = "", *word, *shipped = milters_shipped(doctor);
	struct mention mention;
	bool there = false, ours;
	size_t len;

	while ((len = postfix_word(&list, &word)) > 0) {
		mention = read_mention(doctor, word, len);
		ours = is_ours(doctor, mention.address);
		made = doctor_text(doctor, "%s%s%.*s", made,
		    made[0] != '\0' ? ", " : "",
		    ours ? (int)strlen(shipped) : (int)len,
		    ours ? shipped : word);
		there = there || ours;
	}
	return there ? made
		     : doctor_text(doctor, "%s%s%s", made,
			   made[0] != '\0' ? ", " : "", shipped);
}

const char *
milters_cure(
    struct doctor *doctor, const struct service *service, const char *setting)
{
	const struct postfix *postfix = doctor->postfix;
	const char *value = postfix_unexpanded(postfix, setting);
	struct mention mention;

	if (service != NULL &&
	    postfix_override(postfix, service, setting) != NULL)
		return doctor_cure_of(doctor, service, setting,
		    join(doctor, postfix_override(postfix, service, setting)));
	/* A $variable that has ours cannot be changed from here. */
	if (!milters_find_ours(doctor, value, &mention))
		value = postfix_setting(postfix, setting);
	if (!milters_find_ours(doctor, value, &mention))
		value = postfix_unexpanded(postfix, setting);
	return doctor_cure(doctor, setting, join(doctor, value));
}
