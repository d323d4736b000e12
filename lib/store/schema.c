/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "schema.h"

#include "schema.inc"

const char *const schema[] = { sql_odmr, NULL };
