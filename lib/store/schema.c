/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "schema.h"

#include "schema.inc"

const char *const schema_relay[] = { sql_relay, NULL };
const char *const schema_state[] = { sql_state, NULL };
