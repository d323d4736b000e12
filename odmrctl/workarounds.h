/* SPDX-License-Identifier: ISC */
/*
 * What a customer's server cannot do, as its sessions have shown: of an account
 * (with domain ""), or of a domain that odmrd dials (with account 0).
 */
#ifndef WORKAROUNDS_H
#define WORKAROUNDS_H

#include "json.h"
#include "odmrctl.h"

/* As elements of an array, and as a line each. */
enum store_result workarounds_json(
    struct store *, int64_t account, const char *domain, json_t *array);
enum store_result workarounds_print(
    struct store *, int64_t account, const char *domain, FILE *out);

#endif
