/* SPDX-License-Identifier: ISC */
/*
 * One message as odmrctl shows it: what its tag says for one relay domain.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "json.h"
#include "lib/store/store.h"

/* Visitors of tags: an object (arg: struct json), and a paragraph of lines with
 * all that is known (arg: FILE). */
void message_json(const struct tag *, void *json);
void message_print(const struct tag *, void *out);

#endif
